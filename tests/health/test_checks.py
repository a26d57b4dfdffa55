"""Health of a fit: each failure is made to happen on purpose, and a healthy fit has no finding."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from sklearn.decomposition import PCA
from support import normal_rows

from aeanom import AnomalyDetector, load
from aeanom.architectures import dense, gaussian_output, variational
from aeanom.core import Loss
from aeanom.core.history import Finding, History
from aeanom.errors import HealthWarning
from aeanom.health import CHECKS, Evidence, Sample, check_fit
from aeanom.health.checks import _chance_of_more
from aeanom.health.linear import linear_reconstruction

# Near a plane in six dimensions, so that two numbers say nearly all of a row.
PLANE = normal_rows(2, 6, seed=3)
X = normal_rows(600, 2) @ PLANE + 0.1 * normal_rows(600, 6, seed=4)


def fit(rows=X, **settings):
    settings = {"backend": "numpy", "random_state": 0} | settings
    return AnomalyDetector(**settings).fit(rows)


def codes(detector):
    return [finding.code for finding in detector.history_.health]


def finding(detector, code):
    (found,) = (found for found in detector.history_.health if found.code == code)
    return found


def sample(rows, reconstruction, latents=None):
    rows, reconstruction = np.asarray(rows, float), np.asarray(reconstruction, float)
    latents = normal_rows(len(rows), 1) if latents is None else latents
    return Sample(rows, reconstruction, (rows - reconstruction) ** 2, latents, np.zeros(len(rows)))


def evidence(training, held_out=None, **others):
    settings = {
        "history": History(loss=[1.0]),
        "architecture": dense(6, (), 1),
        "loss": Loss("mse"),
        "dtype": "float64",
    } | others
    return Evidence(training=training, held_out=held_out, **settings)


# A healthy fit.


def test_a_healthy_fit_has_no_finding_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector = fit()
    assert detector.history_.health == ()


# Each failure, made to happen.


def test_a_network_that_learnt_nothing_is_no_better_than_the_means():
    with pytest.warns(HealthWarning, match="no better than the means of the columns"):
        detector = fit(epochs=3, learning_rate=1e-9)
    found = finding(detector, "no_better_than_means")
    assert found.figures["network_error"] > 0.95 * found.figures["means_error"]
    assert found.severity == "warning"


def test_a_network_that_a_pca_outdoes_is_told_so():
    with pytest.warns(HealthWarning, match="A PCA with 3 components returns rows held out"):
        detector = fit(epochs=40, learning_rate=1e-4)
    figures = finding(detector, "worse_than_pca").figures
    assert figures["components"] == 3
    assert figures["pca_error"] < 0.1 * figures["means_error"]
    assert figures["network_error"] > 0.5 * figures["means_error"]


def test_units_of_the_latent_that_died_are_counted():
    network = dense(6, (16,), 4, latent_activation="relu")
    with pytest.warns(HealthWarning, match="of 4 units of the latent hardly vary"):
        detector = fit(architecture=network, epochs=60, learning_rate=0.5)
    latents = detector.encode(X)
    dead = (latents.std(axis=0) <= 1e-3 * latents.std(axis=0).max()).sum()
    assert dead > 0
    assert finding(detector, "dead_latent_units").figures == {"dead": dead, "units": 4}


def test_one_unit_that_hardly_varies_is_dead_and_a_narrow_one_is_not():
    latents = normal_rows(600, 3) * np.array([1.0, 1e-2, 1e-5])
    (found,) = check_fit(evidence(sample(X, X + 0.01 * normal_rows(600, 6), latents)))
    assert found.message.startswith("1 of 3 units of the latent hardly vary")


def test_a_variational_latent_that_collapsed_is_told():
    network = variational(dense(6, (16,), 2), beta=50.0)
    with pytest.warns(HealthWarning, match=r"posterior collapse"):
        detector = fit(architecture=network, epochs=40)
    found = finding(detector, "kl_at_zero")
    # penalties: beta times the divergence, over the number of elements.
    divergence = detector.model_.penalties(X).mean() * 6 / 50
    assert found.figures["divergence"] == pytest.approx(divergence, abs=0.02)
    assert divergence < 0.1


def test_a_variational_latent_in_use_is_not():
    network = variational(dense(6, (16,), 2), beta=0.01)
    assert "kl_at_zero" not in codes(fit(architecture=network, epochs=40))


def test_a_loss_that_is_still_falling_is_told():
    with pytest.warns(HealthWarning, match=r"fell by .* in the last epoch of 8"):
        detector = fit(epochs=8, learning_rate=3e-3)
    losses = detector.history_.loss
    fall = finding(detector, "loss_still_falling").figures["fall"]
    assert 0.05 < fall <= 1 - losses[-1] / losses[-2]


def test_a_network_that_knows_its_rows_by_heart_is_overfit():
    rows = normal_rows(60, 10)
    with pytest.warns(HealthWarning, match="Held-out rows score higher than training rows"):
        detector = fit(
            rows,
            architecture=dense(10, (256,), 8),
            epochs=600,
            learning_rate=3e-3,
            calibration_fraction=0.4,
        )
    figures = finding(detector, "overfit").figures
    assert figures["chance"] > 0.65
    assert figures["held_out_median"] > figures["training_median"]


def test_calibration_rows_that_are_easier_than_the_training_rows_are_told():
    with pytest.warns(HealthWarning, match="Held-out rows score lower than training rows"):
        detector = AnomalyDetector(backend="numpy", random_state=0).fit(
            normal_rows(400, 6), calibration=0.2 * normal_rows(100, 6, seed=1)
        )
    assert finding(detector, "easier_calibration").figures["chance"] < 0.35


def test_own_rows_that_score_higher_may_be_another_kind_of_rows():
    with pytest.warns(HealthWarning, match="unlike the training rows, or the network knows"):
        AnomalyDetector(backend="numpy", random_state=0).fit(X, calibration=2 * X[:100])


@pytest.mark.filterwarnings("ignore::aeanom.errors.CalibrationWarning")
def test_rows_that_are_all_alike_have_constant_scores():
    with pytest.warns(HealthWarning, match="almost exactly"):
        detector = fit(np.full((300, 4), 3.0), epochs=2)
    assert codes(detector) == ["constant_scores"]


def test_scores_that_are_all_the_same_are_told():
    corners = np.sign(normal_rows(300, 6))
    found = check_fit(evidence(sample(corners, np.zeros((300, 6)), latents=corners)))
    assert [item.code for item in found] == ["no_better_than_means", "constant_scores"]
    assert "the same score, 1 to 1" in found[1].message


def test_a_latent_as_wide_as_the_row_copies_it():
    rows = normal_rows(300, 6)
    copied = rows + 1e-7 * normal_rows(300, 6, seed=1)
    found = check_fit(evidence(sample(rows, copied, latents=rows), dtype="float32"))
    assert [item.code for item in found] == ["constant_scores"]
    assert check_fit(evidence(sample(rows, copied, latents=rows), dtype="float64")) == ()


# What the checks rest on.


def test_the_principal_components_are_scikit_learn_s():
    training = normal_rows(300, 40) @ normal_rows(40, 40, seed=1)
    rows = normal_rows(50, 40, seed=2) @ normal_rows(40, 40, seed=1)
    for k in (1, 5, 20, 40):
        pca = PCA(k).fit(training)
        expected = ((rows - pca.inverse_transform(pca.transform(rows))) ** 2).mean()
        found = ((rows - linear_reconstruction(training, rows, k)) ** 2).mean()
        assert found == pytest.approx(expected, rel=5e-3, abs=1e-20)


def test_the_chance_of_a_higher_score_is_mann_whitney_s_with_ties():
    rng = np.random.default_rng(0)
    values, others = rng.integers(0, 8, 50), rng.integers(0, 6, 70)
    expected = mannwhitneyu(values, others).statistic / (50 * 70)
    assert _chance_of_more(values, np.sort(others)) == pytest.approx(expected)


def test_a_few_rows_far_off_decide_nothing():
    rows = X.copy()
    reconstruction = rows + 0.1
    rows[:20] *= 1e6
    assert "no_better_than_means" not in [
        found.code for found in check_fit(evidence(sample(rows, reconstruction)))
    ]


def test_a_falling_likelihood_counts_by_its_variances():
    falling = History(loss=[-1.0, -1.1], validation_loss=[-1.0, -1.1])
    network = gaussian_output(dense(6, (), 1))
    calm = History(loss=[-1.0, -1.01], validation_loss=[-1.0, -1.01])
    for history, found in ((falling, ["loss_still_falling"]), (calm, [])):
        parts = evidence(
            sample(X, 0.9 * X, X), architecture=network, loss=Loss("gaussian"), history=history
        )
        assert [item.code for item in check_fit(parts)] == found


def test_a_loss_that_falls_on_training_rows_alone_is_not_unfinished():
    history = History(loss=[1.0, 0.5], validation_loss=[1.0, 1.0])
    assert check_fit(evidence(sample(X, 0.9 * X, X), history=history)) == ()
    stopped = History(loss=[1.0, 0.5], stopped_by="callback")
    assert check_fit(evidence(sample(X, 0.9 * X, X), history=stopped)) == ()


def test_what_could_not_be_compared_is_a_note_and_no_warning():
    few = sample(X[:6], 0.99 * X[:6], normal_rows(6, 5))
    (note,) = check_fit(evidence(few))
    assert (note.code, note.severity) == ("pca_not_compared", "note")
    assert "6 training rows do not determine 5" in note.message


def test_a_module_without_a_latent_has_a_note():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(6, 3), torch.nn.Linear(3, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector = fit(backend="auto", architecture=module, epochs=300, learning_rate=1e-2)
    assert codes(detector) == ["pca_not_compared"]
    assert not detector.extrapolates(X).all()
    assert detector.explain(X[:3]).latents is None


# The same everywhere.


def test_every_backend_finds_the_same(backend):
    detector = fit(backend=backend.name, epochs=3, learning_rate=1e-9, dtype="float64")
    reference = fit(epochs=3, learning_rate=1e-9, dtype="float64")
    assert codes(detector) == codes(reference) == ["no_better_than_means", "worse_than_pca"]
    for found, expected in zip(detector.history_.health, reference.history_.health, strict=True):
        assert found.figures == pytest.approx(expected.figures, rel=1e-6)
        assert found.message == expected.message


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3), (16, 2)])
def test_images_and_windows_are_checked_too(shape):
    rows = np.random.default_rng(0).normal(size=(200, *shape))
    assert "no_better_than_means" in codes(fit(rows, epochs=1, learning_rate=1e-9))


@pytest.mark.parametrize("loss", ["mae", "huber", "bce", "gaussian"])
def test_any_loss_is_checked(loss):
    network = dense(6, (16,), 3, output_activation="sigmoid" if loss == "bce" else "linear")
    network = gaussian_output(network) if loss == "gaussian" else network
    bad = fit(architecture=network, loss=loss, epochs=3, learning_rate=1e-9)
    good = fit(architecture=network, loss=loss, epochs=60, learning_rate=3e-3)
    assert "no_better_than_means" in codes(bad)
    assert "no_better_than_means" not in codes(good)


# Where it is kept and told.


def test_findings_are_kept_in_the_file(tmp_path):
    detector = fit(epochs=3)
    detector.save(tmp_path / "model.aeanom")
    loaded = load(tmp_path / "model.aeanom")
    assert loaded.history == detector.history_
    assert loaded.history.health == detector.history_.health != ()
    assert all(isinstance(found, Finding) for found in loaded.history.health)
    json.dumps(detector.history_.to_dict(), allow_nan=False)


def test_a_history_of_an_older_file_has_no_findings():
    values = History(loss=[1.0]).to_dict()
    del values["health"]
    assert History.from_dict(values).health == ()


def test_all_findings_come_in_one_warning_from_the_line_that_fits():
    with pytest.warns(HealthWarning) as caught:
        # Not our helper: it is the line that calls `fit` that is looked for.
        detector = AnomalyDetector(
            backend="numpy", epochs=3, learning_rate=1e-9, random_state=0
        ).fit(X)
    (warning,) = caught
    assert warning.filename == __file__
    found = detector.history_.health
    assert len(found) > 1
    assert str(warning.message) == "\n".join(item.message for item in found)
    assert str(found[0]) == found[0].message


def test_a_warning_made_an_error_leaves_the_fit():
    detector = AnomalyDetector(backend="numpy", epochs=3, learning_rate=1e-9, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", HealthWarning)
        with pytest.raises(HealthWarning):
            detector.fit(X)
    assert detector.predict(X).shape == (600,)


def test_every_check_is_listed_and_says_what_it_looks_for():
    assert len(CHECKS) == 7
    assert all(check.__doc__.startswith("Look for ") for check in CHECKS)


def test_a_sample_s_usual_rows_leave_out_the_worst_twentieth():
    rows = np.zeros((40, 2))
    returned = rows.copy()
    returned[[7, 21], 0] = 9.0
    assert np.array_equal(sample(rows, returned).usual_rows(), np.delete(np.arange(40), [7, 21]))
    assert len(replace(sample(rows[:1], returned[:1])).usual_rows()) == 1
