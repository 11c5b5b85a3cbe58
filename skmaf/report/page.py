"""The page: its sections, put into the template."""

import base64
import hashlib
from importlib.resources import files
from pathlib import PurePath

from jinja2 import Environment, PackageLoader, StrictUndefined

from .. import __version__
from .._text import count
from .anomalies import SCORES, anomalies_section
from .assumptions import assumptions_section
from .columns import CHART, columns_section
from .drawn import MARGINAL, PAIR, drawn_section
from .missing import missing_section
from .quality import CURVE, quality_section
from .run import Run
from .words import name_label

TEMPLATE = "page.html.jinja"
TITLE_WIDTH = 80
SIZES = {
    "of_column": CHART,
    "of_scores": SCORES,
    "of_marginal": MARGINAL,
    "of_pair": PAIR,
    "of_curve": CURVE,
}


def report_page(run: Run) -> str:
    """Return a report on a table and what was fitted to it, as an HTML page.

    It needs no other file and no network. Of the same run it is the same, to the last letter.

    Parameters
    ----------
    run : Run

    Returns
    -------
    page : str
        Of under 2 MB, however large the table: what is left out is said.
    """
    style = _resource("page.css")
    script = _resource("page.js")
    environment = Environment(
        loader=PackageLoader(__package__, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(TEMPLATE).render(
        name=name_label(PurePath(run.title).name, TITLE_WIDTH),
        title=run.title,
        shape=f"{count(len(run.X), 'row')}, {count(run.X.shape[1], 'column')}",
        version=__version__,
        run=run,
        assumptions=assumptions_section(run),
        columns=columns_section(run),
        quality=quality_section(run),
        anomalies=anomalies_section(run),
        drawn=drawn_section(run),
        missing=missing_section(run),
        sizes=SIZES,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        label_counts=_label_counts(run),
    )
    return page.encode(errors="replace").decode()  # halves of surrogate pairs cannot be written


def _label_counts(run: Run) -> str:
    """Return how many rows have which label."""
    if run.labels is None:
        return ""
    counts = [f"{value} in {count(n, 'row')}" for value, n in run.labels.value_counts().items()]
    return f"{' and '.join(counts)}; {run.normal} is normal"


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return what a Content-Security-Policy calls an inline style or script of this text."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
