"""Draw the README's picture: `python docs/images/make.py` writes `promise.png` beside this file.

Left, the errors of rows that the detector has never seen, with the threshold. Right, how often
normal rows are flagged when the threshold is calibrated again and again on other rows: the promise
is an average, and the interval says how far one calibration may be from it. The table is the
handwritten digits that scikit-learn ships: 0 to 4 are normal, 5 to 9 anomalies.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aeanom import AnomalyDetector, data, plots, thresholds
from aeanom.plots.figures import new_figure

N_TRAINING = 400
N_CALIBRATION = 99
N_CALIBRATIONS = 10_000
RATE = 0.05


def main() -> None:
    """Fit once, calibrate many times, draw."""
    digits = data.digits()
    rng = np.random.default_rng(0)
    normal = digits.rows[rng.permutation(np.flatnonzero(~digits.is_anomaly))]
    odd = digits.rows[digits.is_anomaly]
    training, pool = normal[:N_TRAINING], normal[N_TRAINING:]
    detector = AnomalyDetector(backend="numpy", false_positive_rate=RATE, random_state=0)
    detector.fit(training, calibration=pool[:N_CALIBRATION])
    fitted = detector.model_.threshold

    new_rows = np.concatenate([pool[N_CALIBRATION:], odd])
    is_odd = np.arange(len(new_rows)) >= len(pool) - N_CALIBRATION
    flagged = detector.is_anomaly(new_rows)
    false_alarms, found = flagged[~is_odd].mean(), flagged[is_odd].mean()

    pool_scores = detector.anomaly_score(pool)
    rates = []
    for _ in range(N_CALIBRATIONS):
        scores = rng.permutation(pool_scores)
        again = thresholds.Conformal(RATE).fit(scores[:N_CALIBRATION], precision="float32")
        rates.append(again.exceeds(scores[N_CALIBRATION:]).mean())
    low, high = fitted.interval()

    figure = new_figure(11.0, 4.3)
    left, right = figure.subplots(1, 2)
    plots.error_histogram(
        detector.anomaly_score(new_rows),
        is_odd,
        {"threshold": fitted.value},
        axes=left,
        title=f"Flagged: {100 * false_alarms:.1f} % of new normal rows, "
        f"{100 * found:.1f} % of anomalies",
    )
    step = 1 / (len(pool) - N_CALIBRATION)
    bins = (np.arange(0, round(0.15 / step)) + 0.5) * step
    right.hist(
        100 * np.array(rates), bins=100 * bins, color="#0072B2", alpha=0.55, label="realised"
    )
    right.axvspan(
        100 * low,
        100 * high,
        color="#009E73",
        alpha=0.15,
        linewidth=0,
        label=f"interval of 95 % ({100 * low:.1f} % to {100 * high:.1f} %)",
    )
    right.axvline(100 * RATE, color="black", linestyle="--", label=f"promised ({100 * RATE:.0f} %)")
    mean = float(np.mean(rates))
    right.axvline(
        100 * mean,
        color="#D55E00",
        linestyle=":",
        linewidth=2,
        label=f"mean realised ({100 * mean:.1f} %)",
    )
    right.set_title(f"The same fit, {N_CALIBRATIONS:,} calibrations of {N_CALIBRATION} rows")
    right.set_xlabel("normal rows flagged, %")
    right.set_ylabel("calibrations")
    right.set_xlim(0, 15)
    right.spines[["top", "right"]].set_visible(False)
    right.legend(loc="upper right", framealpha=0.9, fontsize=9)
    plots.save(figure, Path(__file__).with_name("promise.png"), dpi=130)

    inside = np.mean([low <= rate <= high for rate in rates])
    print(f"realised {false_alarms:.4f}, found {found:.4f}, mean {mean:.4f}")
    print(f"interval {low:.4f} to {high:.4f}, {100 * inside:.1f} % of the calibrations inside")


if __name__ == "__main__":
    main()
