"""A report on a table and what was fitted to it, as one HTML page that needs nothing else."""

from .page import report_page
from .run import Run

__all__ = ["Run", "report_page"]
