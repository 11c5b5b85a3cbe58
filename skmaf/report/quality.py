"""How good the fit is: likelihood beside simple models, and anomalies beside IsolationForest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from .._text import count
from ..table.columns import Constant
from ..table.flow_space import Columns
from .charts import curve_path
from .run import Run
from .simple_models import NumbersMixture, fit_mixtures, log_prob_of_columns, without_grid
from .words import decimal, mean_and_error, name_label, percent

FEWEST_ROWS = 10  # with all cells, to compare on; and to fit, for each column
MOST_NAMED = 3
MOST_CATEGORIES = 50  # of a column, that IsolationForest sees
CURVE = (280, 60)  # pixels
NORMAL = "Normal distribution"


@dataclass(frozen=True)
class LikelihoodRow:
    """What a model gives held-out rows.

    Attributes
    ----------
    name : str
    mean, error : str
        Nats per row, and the standard error.
    difference, difference_error : str
        How much more the density gives, and the standard error, row by row.
    wins : str
        In which share of the rows it gives more.
    """

    name: str
    mean: str
    error: str
    difference: str = ""
    difference_error: str = ""
    wins: str = ""


@dataclass(frozen=True)
class Likelihoods:
    """Held-out log-likelihoods, of how many rows, and what is to be said of them."""

    n_rows: str
    rows: Sequence[LikelihoodRow]
    remarks: Sequence[str]


@dataclass(frozen=True)
class Detection:
    """How well anomalies are found, by labels that no model saw.

    Attributes
    ----------
    rows : sequence of (str, str, str)
        Name, ROC AUC and average precision of each detector.
    what : str
        On which rows.
    """

    rows: Sequence[tuple[str, str, str]]
    what: str


@dataclass(frozen=True)
class QualitySection:
    """What the page says of the fit."""

    summary: str
    likelihood: str
    likelihoods: Likelihoods
    detection: Detection | None
    curve: str
    curve_text: str


def quality_section(run: Run) -> QualitySection:
    """Return what the page says of the fit."""
    density = run.density
    epochs = count(density.n_iter_, "epoch")
    summary = f"Fitted to {count(len(run.train), 'row')} in {epochs}"
    if run.seconds is not None:
        summary += f"; with the detector in {decimal(run.seconds, 0)} seconds"
    curve = np.array(density.validation_scores_)
    curve = curve[np.isfinite(curve)]
    mean, error = mean_and_error(run.log_density[run.held_out])
    return QualitySection(
        summary=f"{summary}.",
        likelihood=f"{mean} \u00b1 {error}",
        likelihoods=_likelihoods(run),
        detection=None if run.labels is None else _detection(run),
        curve=curve_path(curve, *CURVE) if len(curve) > 1 else "",
        curve_text="" if len(curve) < 2 else _curve_text(curve),
    )


def _curve_text(curve: np.ndarray) -> str:
    best = int(np.argmax(curve))
    return (
        f"From {decimal(curve[0], 2)} nats per row after the first epoch to "
        f"{decimal(curve[best], 2)} at the best one, number {best + 1}, on rows held out within "
        "the training."
    )


def _likelihoods(run: Run) -> Likelihoods:
    """Compare the density with simple models on held-out rows, all on the same."""
    columns = run.density.columns_
    fit = run.N[run.train]
    rest = run.N[run.held_out]
    reason = _why_no_mixture(run, fit, rest)
    is_complete = np.ones(len(rest), dtype=bool)
    if not reason:
        is_complete = ~np.isnan(rest).any(axis=1)
    rest = rest[is_complete]
    of_density = run.log_density[run.held_out][is_complete]
    models = {"Each column by itself": log_prob_of_columns(columns, rest)}
    if not reason:
        models |= _mixtures(run, fit[~np.isnan(fit).any(axis=1)], rest)
    rows = [LikelihoodRow("skmaf", *mean_and_error(of_density))]
    rows += [_compared(name, log_prob, of_density) for name, log_prob in models.items()]
    remarks = [reason] if reason else []
    if not is_complete.all():
        remarks.append(
            f"Compared on the {len(rest):,} of {len(is_complete):,} held-out rows that have all "
            "cells; the normal distributions are fitted to such rows."
        )
    if not reason and len(models) == 2:
        remarks.append(
            "Of Gaussian mixtures, that of one component is the best for training rows that were "
            "left out: the normal distribution."
        )
    if not reason and _is_category(run).any():
        remarks.append(
            "A normal distribution has no categories: beside it they are independent of all else."
        )
    return Likelihoods(f"{len(rest):,}", rows, remarks)


def _is_category(run: Run) -> np.ndarray:
    return np.array([n is not None for n in run.density.codec_.schema.n_categories])


def _is_number(run: Run) -> np.ndarray:
    """Return which columns a normal distribution can have: numbers that are not all the same."""
    is_constant = [isinstance(column, Constant) for column in run.density.columns_.columns]
    return ~_is_category(run) & ~np.array(is_constant)


def _why_no_mixture(run: Run, fit: np.ndarray, rest: np.ndarray) -> str:
    """Return why the density compares with no normal distribution, nothing if it does."""
    if not _is_number(run).any():
        return "There are no columns of numbers, which a normal distribution could be fitted to."
    off_grid = without_grid(run.density.columns_, fit, _is_category(run))
    if off_grid:
        names = ", ".join(name_label(run.X.columns[j]) for j in off_grid[:MOST_NAMED])
        more = f" and {len(off_grid) - MOST_NAMED} more" if len(off_grid) > MOST_NAMED else ""
        return (
            f"Some numbers come again and again in {names}{more}: they have probabilities, which a "
            "normal distribution does not give to a number, so that it does not compare."
        )
    n_fit = (~np.isnan(fit).any(axis=1)).sum()
    n_rest = (~np.isnan(rest).any(axis=1)).sum()
    if n_rest < FEWEST_ROWS or n_fit < max(FEWEST_ROWS, _is_number(run).sum() + 1):
        return (
            f"Too few rows have all cells to compare with a normal distribution: {n_fit:,} of the "
            f"fitted and {n_rest:,} of the held-out ones."
        )
    return ""


def _mixtures(run: Run, fit: np.ndarray, rest: np.ndarray) -> dict[str, np.ndarray]:
    """Return the log-densities of a normal distribution, and of a mixture of such."""
    is_number = _is_number(run)
    others = Columns([c for c, n in zip(run.density.columns_.columns, is_number) if not n])
    of_others = log_prob_of_columns(others, rest[:, ~is_number]) if others.columns else 0.0
    return {
        _name_of(mixture): mixture.log_prob(rest[:, is_number]) + of_others
        for mixture in fit_mixtures(fit[:, is_number], run.seed)
    }


def _name_of(mixture: NumbersMixture) -> str:
    if mixture.n_components == 1:
        return NORMAL
    return f"Gaussian mixture of {mixture.n_components} components"


def _compared(name: str, log_prob: np.ndarray, of_density: np.ndarray) -> LikelihoodRow:
    mean, error = mean_and_error(log_prob)
    gain, gain_error = mean_and_error(of_density - log_prob, sign="+")
    return LikelihoodRow(
        name=name,
        mean=mean,
        error=error,
        difference=gain,
        difference_error=gain_error,
        wins=percent(float((of_density > log_prob).mean())),
    )


def _detection(run: Run) -> Detection:
    """Compare the detector with IsolationForest, on rows that neither was fitted to."""
    rows = np.concatenate([run.held_out, run.abnormal_rows])
    is_abnormal = np.repeat([0, 1], [len(run.held_out), len(run.abnormal_rows)])
    found = {
        "skmaf": -run.score[rows],
        "IsolationForest": -_forest(run).score_samples(run.N[rows]),
        "by chance": np.zeros(len(rows)),
    }
    table = [
        (
            name,
            f"{roc_auc_score(is_abnormal, odd):.3f}",
            f"{average_precision_score(is_abnormal, odd):.3f}",
        )
        for name, odd in found.items()
    ]
    what = (
        f"{count(len(run.held_out), 'normal row')} that were not fitted, and "
        f"{count(len(run.abnormal_rows), 'row')} with the other label."
    )
    return Detection(table, what)


def _forest(run: Run):
    """Return an isolation forest of the rows that the detector was fitted to."""
    is_category = _is_category(run)
    encode = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MOST_CATEGORIES)
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="most_frequent"), encode), is_category),
        (SimpleImputer(strategy="median", keep_empty_features=True), ~is_category),
        sparse_threshold=0,
    )
    return make_pipeline(columns, IsolationForest(random_state=run.seed)).fit(run.N[run.train])
