"""A GPU against the processor: times of fit, score and sample, and how far scores differ.

    python benchmarks/gpu.py                      prints a table for each part
    python benchmarks/gpu.py --rows 10000 100000  other numbers of rows

Needs a GPU that torch knows as "cuda". Fits use the defaults and the same seed on both; a fit on
the GPU draws the same numbers, but rounds otherwise, so that its held-out score differs a little.
Scores and draws are compared for one and the same fitted density: in float32, in which rows of
float32 are scored, and in float64.
"""

import argparse
import time
import warnings
from dataclasses import replace

import numpy as np
import torch
from growth import curved_clusters

from skmaf import DensityOutlierDetector, MAFDensity, MultiscaleDensity
from skmaf.models.contract import ModulePrecisions

N_COLUMNS = 20
N_TEST = 20_000
DEVICES = ("cpu", "cuda")


def seconds(call):
    """Seconds that a call takes, and what it returns."""
    start = time.perf_counter()
    result = call()  # NumPy's arrays: the GPU is done
    return time.perf_counter() - start, result


def on(density, device):
    """The fitted density, computing on a device."""
    return replace(density, precisions=ModulePrecisions(density.flow, device))


def show_fits(rows, cpu_rows, max_iter):
    print(
        "\n| estimator | rows | device | fit, s | held-out score, nats |\n|---|---:|---|---:|---:|"
    )
    fitted = {}
    for n in rows:
        table = curved_clusters(n + N_TEST, N_COLUMNS)
        for cls in (MAFDensity, MultiscaleDensity):
            for device in DEVICES:
                if device == "cpu" and n > cpu_rows:
                    continue
                estimator = cls(device=device, random_state=0)
                if max_iter is not None:
                    estimator.set_params(max_iter=max_iter)
                taken, _ = seconds(lambda: estimator.fit(table[:-N_TEST]))  # noqa: B023
                score = estimator.score(table[-N_TEST:])
                print(
                    f"| {cls.__name__} | {n:,} | {device} | {taken:.1f} | {score:.3f} |", flush=True
                )
                fitted[cls.__name__] = estimator
    return fitted


def show_scores(fitted):
    print(
        "\n| estimator | dtype | score on CPU, s | on GPU, s | largest difference, nats | "
        "of scores of size | sample on CPU, s | on GPU, s |\n|---|---|" + "---:|" * 6
    )
    rows = curved_clusters(N_TEST, N_COLUMNS, seed=1)
    for name, estimator in fitted.items():
        for dtype in (np.float32, np.float64):
            N = rows.astype(dtype)
            scoring = {}
            sampling = {}
            for device in DEVICES:
                density = on(estimator.density_, device)
                density.log_prob(N[:300])
                scoring[device] = seconds(lambda: density.log_prob(N))  # noqa: B023
                density.sample(300, random_state=0)
                sampling[device] = seconds(lambda: density.sample(N_TEST, random_state=0))  # noqa: B023
            scores = [scoring[device][1] for device in DEVICES]
            difference = np.abs(scores[0] - scores[1]).max()
            cells = [f"{scoring[device][0]:.2f}" for device in DEVICES]
            cells += [f"{difference:.1e}", f"{np.abs(scores[0]).max():.0f}"]
            cells += [f"{sampling[device][0]:.2f}" for device in DEVICES]
            print("| " + " | ".join([name, str(np.dtype(dtype)), *cells]) + " |", flush=True)


def show_detector():
    print(
        "\n| detector of 2,000 rows | device | fit, s | score 10,000 rows, s |\n|---|---|---:|---:|"
    )
    table = curved_clusters(12_000, N_COLUMNS)
    for contamination in ("auto", 0):
        for device in DEVICES:
            # the default detector takes the fastest device that torch sees
            detector = DensityOutlierDetector(contamination=contamination, random_state=0)
            with only_cpu(device == "cpu"):
                fit, _ = seconds(lambda: detector.fit(table[:2_000]))  # noqa: B023
                score, _ = seconds(lambda: detector.score_samples(table[2_000:]))  # noqa: B023
            print(f"| {contamination} | {device} | {fit:.1f} | {score:.2f} |", flush=True)


class only_cpu:
    """Hide the GPU from torch, if that is asked for."""

    def __init__(self, hidden):
        self.hidden = hidden

    def __enter__(self):
        self.known = torch.cuda.is_available
        if self.hidden:
            torch.cuda.is_available = lambda: False

    def __exit__(self, *error):
        torch.cuda.is_available = self.known


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", type=int, default=[10_000, 100_000])
    parser.add_argument("--cpu-rows", type=int, default=100_000, help="largest fit of the CPU")
    parser.add_argument("--max-iter", type=int, default=None, help="epochs or steps of the fits")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        parser.exit(1, "torch sees no GPU here\n")
    warnings.simplefilter("ignore")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    show_detector()
    show_scores(show_fits(args.rows, args.cpu_rows, args.max_iter))


if __name__ == "__main__":
    main()
