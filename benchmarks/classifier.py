"""MAFClassifier beside other classifiers on the tables that scikit-learn ships.

    python benchmarks/classifier.py --seeds 0 1 2 3 4    runs what is missing, then reports
    python benchmarks/classifier.py --report             prints the report alone

All tools have their defaults, the same rows and one thread. 30% of the rows are the test. Digits
come as they are, integers, and with uniform noise that makes them continuous. Logistic regression
and neighbours get standardised columns. The gap is the mean probability of the class named, less
the share that is right: above 0 a tool is too sure of itself. Every result is written to the CSV
file as soon as it is known.
"""

import time
from functools import partial

import numpy as np
import pandas as pd
import torch
from records import append, is_done, options, show
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skmaf import MAFClassifier

KEY = ["table", "tool", "seed"]
TABLES = {
    "iris": load_iris,
    "wine": load_wine,
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
    "digits with noise": load_digits,
}
TOOLS = {
    "skmaf": lambda seed: MAFClassifier(random_state=seed),
    "LDA": lambda seed: LinearDiscriminantAnalysis(),
    "GaussianNB": lambda seed: GaussianNB(),
    "LogisticRegression": lambda seed: make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000)
    ),
    "kNN": lambda seed: make_pipeline(StandardScaler(), KNeighborsClassifier()),
    "HistGradientBoosting": lambda seed: HistGradientBoostingClassifier(random_state=seed),
}
METRICS = {
    "accuracy": "Share that is right, %",
    "log_loss": "Log-loss, nats",
    "gap": "Gap, %",
    "fit_s": "Seconds to fit",
}


def load(name, seed):
    """Training and test rows, and the classes of both."""
    X, y = TABLES[name](return_X_y=True)
    if name == "digits with noise":
        X = X + np.random.default_rng(seed).random(X.shape)
    return train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)


def measure(classifier, X, X_test, y, y_test):
    start = time.process_time()
    classifier.fit(X, y)
    seconds = time.process_time() - start
    proba = classifier.predict_proba(X_test)
    accuracy = 100 * np.mean(classifier.classes_[proba.argmax(axis=1)] == y_test)
    return {
        "accuracy": accuracy,
        "log_loss": log_loss(y_test, proba),
        "gap": 100 * proba.max(axis=1).mean() - accuracy,
        "fit_s": seconds,
    }


def report(results):
    """Print mean and standard deviation over seeds of each metric, by table and tool."""
    print(f"seeds {sorted(set(results['seed']))}; mean ± standard deviation over them")
    for metric, title in METRICS.items():
        by_tool = results.groupby(["table", "tool"], sort=False)[metric]
        means_and_stds = partial(mean_and_std, digits=3 if metric == "log_loss" else 1)
        cells = by_tool.agg(means_and_stds).unstack()
        show(title, cells.reindex(index=list(TABLES), columns=list(TOOLS)))


def mean_and_std(values, digits):
    return f"{values.mean():.{digits}f} ± {values.std():.{digits}f}"


def main():
    parser = options(__doc__, "classifier.csv")
    args = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    for seed in [] if args.report else args.seeds:
        for key in [dict(zip(KEY, (table, tool, seed))) for table in TABLES for tool in TOOLS]:
            if not is_done(args.out, key):
                append(args.out, key | measure(TOOLS[key["tool"]](seed), *load(key["table"], seed)))
    report(pd.read_csv(args.out))


if __name__ == "__main__":
    main()
