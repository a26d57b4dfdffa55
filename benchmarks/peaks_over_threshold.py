"""How near to the asked risk `PeaksOverThreshold` comes: simulated tails, a table for the docs.

    python -m benchmarks.peaks_over_threshold --output benchmarks/results/peaks_over_threshold.json

Samples are drawn whose tail is known, so that the probability that a new score is above the fitted
threshold is computed and not counted. Three tails (Pareto's, an exponential, a bounded one), 30, 50
and 100 excesses above the 0.9 quantile, risks of 1 % and 0.1 %. Beside it stands the threshold that
takes the estimated shape and scale at their word, which is what other libraries do.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.stats

from aeanom.thresholds import PeaksOverThreshold

EXCESSES = (30, 50, 100)
RISKS = (0.01, 0.001)
INITIAL_QUANTILE = 0.9


class Case(NamedTuple):
    """A distribution of scores, by its tail."""

    title: str
    quantile: Callable[[np.ndarray], np.ndarray]
    exceedance: Callable[[float], float]


CASES = (
    Case(
        "Pareto, ξ = 0.5",
        lambda p: (1 - p) ** -0.5,
        lambda score: min(1.0, score**-2.0),
    ),
    Case("exponential, ξ = 0", lambda p: -np.log1p(-p), lambda score: float(np.exp(-score))),
    Case(
        "bounded, ξ = −1/3",
        lambda p: 1 - (1 - p) ** (1 / 3),
        lambda score: max(0.0, 1 - score) ** 3,
    ),
)


def realised(case: Case, n_excesses: int, risk: float, draws: int, seed: int) -> dict[str, Any]:
    """Fit to `draws` samples and return the risks that came of it, over the one asked for."""
    rng = np.random.default_rng(seed)
    n = round(n_excesses / (1 - INITIAL_QUANTILE))
    threshold = PeaksOverThreshold(risk, INITIAL_QUANTILE)
    ours, plugged_in = np.empty(draws), np.empty(draws)
    for index in range(draws):
        fitted = threshold.fit(case.quantile(rng.random(n)))
        initial, excesses, shape, scale = (fitted.figures[name] for name in threshold.figures)
        assert excesses == n_excesses
        ours[index] = case.exceedance(fitted.value)
        share = risk * n / n_excesses
        excess = scipy.stats.genpareto.isf(share, shape, scale=scale)
        plugged_in[index] = case.exceedance(initial + float(excess))
    return {
        "tail": case.title,
        "excesses": n_excesses,
        "risk": risk,
        "averaged": summary(ours / risk),
        "plugged_in": summary(plugged_in / risk),
    }


def summary(ratios: np.ndarray) -> dict[str, float]:
    """Mean, its standard error, and the middle 80 % of realised over asked risks."""
    low, middle, high = np.quantile(ratios, [0.1, 0.5, 0.9])
    return {
        "mean": float(ratios.mean()),
        "standard_error": float(ratios.std() / len(ratios) ** 0.5),
        "10 %": float(low),
        "median": float(middle),
        "90 %": float(high),
    }


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """Lay the results out as the table of docs/thresholds.md."""
    lines = [
        "| tail | excesses | risk | realised / asked, mean | middle 80 % | estimate at its word |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        ours, plugged_in = row["averaged"], row["plugged_in"]
        lines.append(
            f"| {row['tail']} | {row['excesses']} | {100 * row['risk']:g} % | {ours['mean']:.2f} | "
            f"{ours['10 %']:.2f} to {ours['90 %']:.2f} | {plugged_in['mean']:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", help="JSON file to write")
    arguments = parser.parse_args()
    rows = [
        realised(case, n_excesses, risk, arguments.draws, arguments.seed)
        for risk in RISKS
        for case in CASES
        for n_excesses in EXCESSES
    ]
    if arguments.output:
        result = {
            "draws": arguments.draws,
            "seed": arguments.seed,
            "initial_quantile": INITIAL_QUANTILE,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "rows": rows,
        }
        with open(arguments.output, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1, ensure_ascii=False)
            file.write("\n")
    print(as_markdown(rows))


if __name__ == "__main__":
    main()
