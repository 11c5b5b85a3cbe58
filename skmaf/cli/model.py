"""Models in files: an estimator, and how the table was read that it was fitted to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._date_text import DateText
from ..conditional import ConditionalMAFDensity
from ..density import MAFDensity
from ..multiscale import MultiscaleDensity
from ..outlier import DensityOutlierDetector
from ..persistence.files import KIND, read_value_and_about, write_value
from ..reading.conventions import Conventions
from ..reading.expected import ExpectedColumn
from ..table.codec import TableCodec

SUFFIX = ".skmaf"  # by which users call models
KINDS = {
    MAFDensity: "density",
    MultiscaleDensity: "density",
    ConditionalMAFDensity: "conditional density",
    DensityOutlierDetector: "detector",
}


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted estimator that reads files.

    Attributes
    ----------
    name : str
        What messages call it.
    estimator : estimator
    conventions : Conventions
        How the table was read that it was fitted to.
    row_names : str or None
        The column of identifiers that names rows.
    known_by : str or None
        A column of words by which a person knows rows.
    """

    name: str
    estimator: Any
    conventions: Conventions = Conventions()
    row_names: str | None = None
    known_by: str | None = None

    @property
    def kind(self) -> str:
        """What it is: "density", "conditional density" or "detector"."""
        return KINDS[type(self.estimator)]

    @property
    def columns(self) -> list[str]:
        """Names of the columns that it takes."""
        return list(self.estimator.feature_names_in_)

    @property
    def target(self) -> str | None:
        """The column that a conditional density is of."""
        if self.kind != "conditional density":
            return None
        return self.estimator.constraints_.keys[0]

    @property
    def codec(self) -> TableCodec | None:
        """What reads its rows; None if that is not known, as in a detector around a stranger."""
        codecs = [self.estimator.codec_]
        codecs += [
            each.codec_
            for each in getattr(self.estimator, "estimators_", [])
            if hasattr(each, "codec_")
        ]
        return next((codec for codec in codecs if isinstance(codec, TableCodec)), None)

    def expected_columns(self) -> dict[str, ExpectedColumn]:
        """What the cells of each column are to be."""
        codec = self.codec
        if codec is None:  # a density that is not skmaf's takes numbers
            return {name: ExpectedColumn("numbers") for name in self.columns}
        return expected_of(codec, self.columns)

    def refuse_unless(self, kind: str, remedy: str) -> None:
        """Refuse a model of another kind, and say which command makes one of this."""
        if self.kind != kind:
            raise ValueError(
                f"{self.name} holds a {type(self.estimator).__name__}, and a {kind} is needed, "
                f"such as {remedy} makes."
            )


def expected_of(codec: TableCodec, columns: Sequence[str]) -> dict[str, ExpectedColumn]:
    """What the cells of each column are to be, of tables that a codec reads."""
    schema = codec.schema
    expected = {}
    for j, name in enumerate(columns):
        known = schema.categories[j]
        rare = schema.rare[j]
        values = [] if known is None else list(known)
        values += [] if rare is None else list(rare.values)
        timeline = schema.timelines[j]
        form = None if timeline is None else timeline.form
        expected[name] = ExpectedColumn(
            _kind_of(schema.cell_types[j], timeline),
            frozenset(value for value in values if isinstance(value, str)),
            dates=form if isinstance(form, DateText) else None,
        )
    return expected


def save_model(model: Model, path: Path) -> None:
    """Write a model to a file, which `skmaf.load` reads, too."""
    about = {
        "conventions": model.conventions.as_json(),
        "row_names": model.row_names,
        "known_by": model.known_by,
    }
    write_value(path, model.estimator, KIND, about)


def load_model(path: Path) -> Model:
    """Return the model of a file that `save_model` or `skmaf.save` has written."""
    try:
        estimator, about = read_value_and_about(path, KIND)
    except ValueError as error:
        is_named_so = path.suffix == SUFFIX
        raise ValueError(str(error) if is_named_so else f"{error} MODEL comes first.") from error
    if type(estimator) not in KINDS:
        raise ValueError(
            f"{path} holds a {type(estimator).__name__}, which the command does not know: use it "
            "in Python, by skmaf.load."
        )
    if not hasattr(estimator, "feature_names_in_"):
        raise ValueError(
            f"{path} holds an estimator that knows no names of columns, or is not fitted: fit it "
            "to a data frame."
        )
    model = Model(
        str(path),
        estimator,
        Conventions.from_json(about.get("conventions", {})),
        about.get("row_names"),
        about.get("known_by"),
    )
    if model.kind == "conditional density" and len(estimator.constraints_.keys) > 1:
        raise ValueError(f"{path} holds a density of several targets: use it in Python.")
    return model


def _kind_of(cell_types: set[str], timeline: Any) -> str | None:
    """Return what cells of a file are read as, for a column of these types."""
    if timeline is not None and not isinstance(timeline.form, DateText | str):
        return None
    if timeline is not None and isinstance(timeline.form, str) and timeline.form != "integer":
        return "dates" if timeline.cell_type == "dates" else None
    if "text" in cell_types:
        return "text"
    return "truth values" if cell_types == {"truth values"} else "numbers"
