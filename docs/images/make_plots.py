"""Draw the pictures of docs/plots.md: `python docs/images/make_plots.py` writes them to `plots/`.

The table is the breast-cancer set and the images are the handwritten digits, both of scikit-learn;
the series is the one of docs/series.md. All fits are NumPy's and repeat themselves.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from aeanom import AnomalyDetector, architectures, data, plots
from aeanom.data import point_scores, sliding_windows

FOLDER = Path(__file__).with_name("plots")


def main() -> None:
    """Fit three detectors and draw what they make of new rows."""
    FOLDER.mkdir(exist_ok=True)
    table()
    digits()
    series()


def table() -> None:
    """Draw what there is to see of scores, decisions and reasons."""
    cancer = data.breast_cancer()
    rng = np.random.default_rng(0)
    normal = rng.permutation(np.flatnonzero(~cancer.is_anomaly))
    training, calibration, rest = np.split(normal, [200, 260])
    test = np.concatenate([rest, np.flatnonzero(cancer.is_anomaly)])
    rows, is_anomaly = cancer.rows[test], cancer.is_anomaly[test]
    detector = AnomalyDetector(backend="numpy", random_state=0)
    detector.fit(
        cancer.rows[training],
        calibration=cancer.rows[calibration],
    )
    scores, threshold = detector.anomaly_score(rows), detector.threshold_
    save("loss_curve", plots.loss_curve(detector.history_))
    save("error_histogram", plots.error_histogram(scores, is_anomaly, {"threshold": threshold}))
    save("error_scatter", plots.error_scatter(scores, is_anomaly, threshold))
    save("roc_curve", plots.roc_curve(scores, is_anomaly, threshold))
    save("precision_recall_curve", plots.precision_recall_curve(scores, is_anomaly, threshold))
    save("threshold_sweep", plots.threshold_sweep(scores, is_anomaly, threshold))
    save(
        "p_value_calibration",
        plots.p_value_calibration(
            detector.p_values(rows), is_anomaly, n_calibration=len(calibration)
        ),
    )
    save("latent_space", plots.latent_space(detector.encode(rows), is_anomaly))
    oddest = np.argsort(-scores)[:8]
    explanation = replace(detector.explain(rows[oddest]), features=cancer.names)
    save("feature_contributions", plots.feature_contributions(explanation, 0))
    save("contribution_matrix", plots.contribution_matrix(explanation))


def digits() -> None:
    """Draw digits that the detector has seen, 0 to 4, and others."""
    all_digits = data.digits()
    normal = all_digits.rows[~all_digits.is_anomaly]
    odd = all_digits.rows[all_digits.is_anomaly]
    detector = AnomalyDetector(backend="numpy", random_state=0).fit(normal[:700])
    rows = np.concatenate([normal[700:703], odd[:3]])
    explanation = detector.explain(rows)
    images, copies, errors = (
        part.reshape(-1, 8, 8) for part in (rows, explanation.expected, explanation.contribution)
    )
    titles = [f"error {score:.2f}" for score in explanation.scores]
    save("reconstructions", plots.reconstructions(images, copies, titles))
    save("error_maps", plots.error_maps(images, copies, errors, titles))


def series() -> None:
    """Draw a series in which one channel repeats the other for a while."""
    rng = np.random.default_rng(0)
    times = np.arange(3000)
    both = np.stack([np.sin(times / 8), np.cos(times / 8)], axis=1)
    both += rng.normal(scale=0.1, size=both.shape)
    is_anomaly = (times >= 2500) & (times < 2520)
    both[is_anomaly, 1] = both[is_anomaly, 0]
    length = 32
    detector = AnomalyDetector(
        backend="numpy",
        architecture=architectures.convolutional_1d((length, 2), (16, 8), latent_dim=4),
        epochs=25,
        validation_fraction=0,
        random_state=0,
        false_positive_rate=0.01,
    ).fit(
        sliding_windows(both[:1400], length, step=4),
        calibration=sliding_windows(both[1400 + length : 2200], length),
    )
    new = slice(2200, 2800)
    scores = detector.anomaly_score(sliding_windows(both[new], length))
    save(
        "series_scores",
        plots.series_scores(
            both[new],
            point_scores(scores, length, step=1, n_times=600),
            detector.threshold_,
            times=times[new],
            channels=["sine", "cosine"],
            is_anomaly=is_anomaly[new],
        ),
    )


def save(name: str, drawn: Any) -> None:
    """Write one picture."""
    plots.save(drawn, FOLDER / f"{name}.png", dpi=80)


if __name__ == "__main__":
    main()
