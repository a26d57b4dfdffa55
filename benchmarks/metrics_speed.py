"""Metrics against scikit-learn's: seconds on the same labels and scores, in turns.

`python -m benchmarks.metrics_speed --output metrics_speed.json` prints a Markdown table and writes
every turn. Each turn times ours, theirs, theirs, ours on scores without ties and on scores of which
most are tied, so that a drift of the machine cancels. The interval of the median ratio is between
two order statistics of the turns; see `statistics`. That the figures agree is checked first.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import sklearn.metrics as theirs

from aeanom import metrics as ours
from benchmarks import machine, results
from benchmarks.statistics import median_interval

RESULTS = Path(__file__).parent / "results"
ANOMALOUS = 0.05
OF_SCORES = {
    "roc_auc_score": {},
    "roc_auc_score, max_fpr=0.05": {"max_fpr": 0.05},
    "average_precision_score": {},
    "roc_curve": {},
    "precision_recall_curve": {},
}
OF_DECISIONS = {
    "confusion_matrix": {},
    "accuracy_score": {},
    "balanced_accuracy_score": {},
    "matthews_corrcoef": {},
    "precision_score": {},
    "recall_score": {},
    "f1_score": {},
    "fbeta_score": {"beta": 2.0},
    "precision_recall_fscore_support": {},
    "classification_report": {},
}


def cases(n_rows: int) -> dict[str, tuple[Any, Any, Any]]:
    """Labels and scores: no ties, and about 900 distinct scores."""
    rng = np.random.default_rng(0)
    y_true = (rng.random(n_rows) < ANOMALOUS).astype(np.int64)
    y_score = rng.normal(size=n_rows) + 1.5 * y_true
    return {
        "distinct": (y_true, y_score, y_score > 1.5),
        "tied": (y_true, y_score.round(2), y_score > 1.5),
    }


def seconds(function: Callable[[], Any]) -> float:
    """Wall-clock time of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure(mine: Callable[[], Any], rivals: Callable[[], Any], turns: int) -> dict[str, Any]:
    """Time two functions in turns, after each has run once."""
    for found, expected in zip(_arrays(mine()), _arrays(rivals()), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    taken: dict[str, list[float]] = {"ours": [], "scikit-learn": []}
    for _ in range(turns):
        before = seconds(mine)
        rival = seconds(rivals) + seconds(rivals)
        taken["ours"].append((before + seconds(mine)) / 2)
        taken["scikit-learn"].append(rival / 2)
    ratios = [a / b for a, b in zip(*taken.values(), strict=True)]
    return {"seconds": taken, "ratios": ratios}


def _arrays(result: Any) -> list[Any]:
    if isinstance(result, str):
        return []
    return list(result) if isinstance(result, tuple) else [result]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=11)
    parser.add_argument("--output", type=Path, help="JSON, in benchmarks/results/ if only a name")
    arguments = parser.parse_args()
    started, load = datetime.now(UTC), machine.load_average()
    measured = {}
    print(
        f"| {arguments.rows:,} rows | scores | ours, ms | scikit-learn, ms | ratio (interval) |\n"
        "|---|---|---|---|---|"
    )
    for kind, (y_true, y_score, flags) in cases(arguments.rows).items():
        for title, settings in (OF_SCORES | OF_DECISIONS).items():
            if title in OF_DECISIONS and kind == "tied":
                continue
            second = y_score if title in OF_SCORES else flags
            name = title.partition(",")[0]
            found = measure(
                *(partial(getattr(of, name), y_true, second, **settings) for of in (ours, theirs)),
                arguments.turns,
            )
            label = kind if title in OF_SCORES else "-"
            measured[f"{title} ({kind})" if title in OF_SCORES else title] = found
            milliseconds = (median_interval(t).median * 1e3 for t in found["seconds"].values())
            ratio = median_interval(found["ratios"])
            print(
                f"| `{title}` | {label} | {' | '.join(f'{m:.1f}' for m in milliseconds)} "
                f"| {ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f}) |",
                flush=True,
            )
    if arguments.output is not None:
        path = arguments.output
        results.write(
            {
                "started": started.isoformat(timespec="seconds"),
                "machine": machine.describe() | {"scikit-learn": sklearn.__version__},
                "load_average": load,
                "rows": arguments.rows,
                "turns": arguments.turns,
                "anomalous": ANOMALOUS,
                "measured": measured,
            },
            RESULTS / path if path.parent == Path(".") else path,
        )


if __name__ == "__main__":
    main()
