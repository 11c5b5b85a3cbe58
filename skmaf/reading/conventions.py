"""How the cells of a file were written, so that other files like it are read in the same way."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from .delimited import Form


@dataclass(frozen=True)
class Conventions:
    """What reading a file has found out, and what the user has said of it.

    Attributes
    ----------
    form : Form
        Of the text; a header of 0 lines if none was found.
    declared : Form
        What the user has said of it.
    encoding : str or None
        What the user has said.
    old_encoding : str or None
        The encoding that was found, if it is neither UTF-8 nor UTF-16.
    sheet : str or int
        Of a spreadsheet.
    has_quotes : bool
        Whether quotes stand around cells that hold a separator.
    has_total : bool
        Whether the last row held the sums of the others.
    missing : dict of str to list of str
        For each column what stands for a missing cell there, beside what always does.
    marks : dict of str to str
        What marks decimals in the columns whose numbers are written as people write them.
    """

    form: Form = Form()
    declared: Form = Form()
    encoding: str | None = None
    old_encoding: str | None = None
    sheet: str | int = 0
    has_quotes: bool = True
    has_total: bool = False
    missing: dict[str, list[str]] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as values that JSON has."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Conventions":
        """Return what `as_json` has given; what a later version knows is left out."""
        names = {each.name for each in fields(cls)}
        known = {name: value for name, value in values.items() if name in names}
        for name in ("form", "declared"):
            known[name] = Form(**known.get(name, {}))
        return cls(**known)
