"""What was assumed in reading the table, and what the fit warned of."""

from collections.abc import Sequence
from dataclasses import dataclass

from .._text import short
from .run import Run

MOST_NOTES = 40
NOTE_WIDTH = 500


@dataclass(frozen=True)
class AssumptionsSection:
    """Notes and warnings, and how many more there are."""

    notes: Sequence[str]
    warnings: Sequence[str]
    n_hidden: int


def assumptions_section(run: Run) -> AssumptionsSection:
    """Return what the page says of assumptions."""
    n_hidden = sum(max(0, len(texts) - MOST_NOTES) for texts in (run.notes, run.findings))
    return AssumptionsSection(_shown(run.notes), _shown(run.findings), n_hidden)


def _shown(texts: Sequence[str]) -> list[str]:
    return [short(text, NOTE_WIDTH) for text in texts[:MOST_NOTES]]
