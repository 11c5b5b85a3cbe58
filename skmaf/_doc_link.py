"""The link that notebooks show beside an estimator, to its page of the documentation."""

from functools import cache
from importlib.metadata import PackageNotFoundError, metadata


class DocumentedEstimator:
    """An estimator with a page in the reference, for what scikit-learn shows of it in notebooks."""

    _doc_link_module = "skmaf"

    @property
    def _doc_link_template(self) -> str:
        address = documentation_address()
        return f"{address}/generated/skmaf.{{estimator_name}}.html" if address else ""


@cache
def documentation_address() -> str:
    """Return the URL "Documentation" of the package's metadata; empty if it declares none."""
    try:
        urls = metadata("skmaf").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    declared = dict(url.split(", ", 1) for url in urls)
    return declared.get("Documentation", "").rstrip("/")
