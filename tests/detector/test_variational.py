"""Variational, Gaussian, denoising and sparse networks, as a user sees them.

Each of these has failed silently somewhere: a KL term that a default clamps to zero, scores that
differ from call to call, noise that stays on when rows are scored.
"""

import numpy as np
import pytest
from scipy import stats

from aeanom import AnomalyDetector, architectures
from aeanom.architectures import denoising, dense, gaussian_output, sparse, variational
from aeanom.errors import InvalidParameterError

GENERATOR = np.random.default_rng(0)
LATENTS = GENERATOR.normal(size=(400, 2))
X = LATENTS @ GENERATOR.normal(size=(2, 6)) + GENERATOR.normal(0, 0.05, (400, 6))
PLAIN = dense(6, (8,), 3, activation="tanh")


def fitted(architecture, backend="numpy", **settings):
    settings = {"epochs": 30, "random_state": 0, "dtype": "float64", **settings}
    return AnomalyDetector(backend=backend, architecture=architecture, **settings).fit(X)


def divergence(detector):
    """KL divergence of each row, computed from the weights."""
    model = detector.model_
    weights, hidden = model.weights, model.scaler.transform(X, "float64")
    hidden = np.tanh(hidden @ weights["encoder.0.kernel"] + weights["encoder.0.bias"])
    mean, raw = (
        hidden @ weights[f"encoder.2.{head}kernel"] + weights[f"encoder.2.{head}bias"]
        for head in ("", "log_variance_")
    )
    log_variance = 10 * np.tanh(raw / 10)
    return 0.5 * (mean**2 + np.exp(log_variance) - log_variance - 1).sum(axis=1)


def test_the_penalty_of_a_row_is_its_kl_divergence_times_beta_over_its_elements(backend):
    detector = fitted(variational(PLAIN, beta=0.3, warm_up_steps=5), backend.name, epochs=3)
    expected = 0.3 * divergence(detector) / 6
    assert (expected > 0).all()
    assert detector.model_.penalties(X) == pytest.approx(expected, rel=1e-9)


def test_a_larger_beta_leaves_a_smaller_divergence():
    divergences = [
        divergence(fitted(variational(PLAIN, beta=beta), learning_rate=0.01)).mean()
        for beta in (0.01, 0.1, 1.0)
    ]
    assert divergences[0] > divergences[1] > divergences[2] > 0
    assert divergences[0] > 2 * divergences[2]


def test_the_training_loss_holds_the_divergence():
    # One step that changes next to nothing: the loss of the epoch is that of the initial network.
    settings = {"epochs": 1, "learning_rate": 1e-300, "batch_size": 1000, "loss": "mse"}
    with_kl, without = (
        fitted(variational(PLAIN, beta=beta, warm_up_steps=0), validation_fraction=0.25, **settings)
        for beta in (0.5, 0.0)
    )
    assert with_kl.history_.loss[0] > without.history_.loss[0] + 0.01
    assert with_kl.history_.validation_loss[0] > without.history_.validation_loss[0] + 0.01


def test_the_weight_of_the_divergence_warms_up():
    # After 1 of 1000 steps of the warm-up the divergence counts for a thousandth.
    settings = {"epochs": 1, "learning_rate": 1e-300, "batch_size": 1000}
    losses = [
        fitted(variational(PLAIN, beta=1e-9 + beta, warm_up_steps=steps), **settings).history_.loss
        for beta, steps in ((0.0, 0), (0.5, 1000), (0.5, 0))
    ]
    none, warming, full = (loss[0] for loss in losses)
    assert warming - none == pytest.approx((full - none) / 1000, rel=1e-4)


def test_with_beta_zero_the_network_is_the_plain_one(backend):
    plain = fitted(PLAIN, backend.name, epochs=4)
    free = fitted(variational(PLAIN, beta=0.0), backend.name, epochs=4)
    assert free.history_.loss == pytest.approx(plain.history_.loss, rel=1e-12)
    assert free.anomaly_score(X) == pytest.approx(plain.anomaly_score(X), rel=1e-10)
    assert not free.model_.penalties(X).any()


@pytest.mark.parametrize(
    "architecture",
    [
        variational(PLAIN, beta=0.1, kl_in_score=True),
        denoising(PLAIN, "masking", 0.3),
        dense(6, (8,), 3, dropout=0.3),
    ],
    ids=["KL in the score", "masking", "dropout"],
)
def test_scores_are_the_same_at_every_call(architecture):
    detector = fitted(architecture, epochs=2)
    assert np.array_equal(detector.anomaly_score(X), detector.anomaly_score(X))


def test_scores_are_the_same_in_every_framework_and_for_every_number_of_rows(backend):
    detector = fitted(denoising(variational(PLAIN), "swap", 0.2), backend.name, epochs=2)
    scores = detector.anomaly_score(X)
    assert np.array_equal(scores, detector.anomaly_score(X))
    assert scores[:7] == pytest.approx(detector.anomaly_score(X[:7]), rel=1e-9)


def test_shared_noise_makes_a_noisy_network_the_same_in_every_framework(framework_backend):
    network = denoising(variational(PLAIN), "masking", 0.3)
    scores = [
        fitted(network, backend, epochs=3, noise="shared").anomaly_score(X)
        for backend in ("numpy", framework_backend.name)
    ]
    assert scores[1] == pytest.approx(scores[0], rel=1e-9)


def test_noise_in_training_changes_what_is_learnt():
    plain = fitted(PLAIN, epochs=3).anomaly_score(X)
    for noise in ("gaussian", "masking", "swap"):
        noisy = fitted(denoising(PLAIN, noise, 0.3), epochs=3).anomaly_score(X)
        assert not np.allclose(noisy, plain, rtol=1e-3)


def test_a_score_with_the_divergence_is_the_score_without_it_and_the_penalty():
    architecture = variational(PLAIN, beta=0.2)
    bare, whole = (
        fitted(variational(PLAIN, beta=0.2, kl_in_score=in_score)).model_
        for in_score in (False, True)
    )
    assert variational(PLAIN, beta=0.2) == architecture
    assert whole.anomaly_score(X) == pytest.approx(
        bare.anomaly_score(X) + bare.penalties(X), rel=1e-9
    )


def test_an_l1_term_makes_the_latent_sparser():
    plain, thin = (
        np.abs(fitted(network, learning_rate=0.01).encode(X)).mean()
        for network in (PLAIN, sparse(PLAIN, l1=0.3))
    )
    assert thin < 0.7 * plain


def test_a_gaussian_output_is_scored_by_its_log_likelihood(backend):
    detector = fitted(gaussian_output(PLAIN), backend.name, epochs=5)
    model = detector.model_
    assert model.loss.name == "gaussian"
    scaled = model.scaler.transform(X, "float64")
    mean, raw = np.split(model.autoencoder.raw_output(scaled), 2, axis=1)
    deviation = np.exp(0.5 * 10 * np.tanh(raw / 10))
    expected = -stats.norm.logpdf(scaled, mean, deviation).mean(axis=1)
    assert detector.anomaly_score(X) == pytest.approx(expected, rel=1e-9)
    assert model.scaler.inverse(mean) == pytest.approx(detector.reconstruct(X), rel=1e-9)


def test_a_gaussian_output_learns_how_much_each_feature_scatters():
    rows = np.random.default_rng(1).normal(0, [1.0, 1.0, 1.0, 0.1, 0.1, 0.1], (1000, 6))
    network = gaussian_output(dense(6, (8,), 1, activation="tanh"))
    detector = AnomalyDetector(
        architecture=network, scaler=None, epochs=60, random_state=0, backend="numpy"
    ).fit(rows)
    odd = np.zeros((2, 6))
    odd[0, 0] = odd[1, 5] = 1.0
    usual, unusual = detector.anomaly_score(odd)
    assert unusual > usual + 1
    assert detector.is_anomaly(odd).tolist() == [False, True]


def test_contributions_to_a_negative_score_add_up_to_it():
    detector = fitted(gaussian_output(PLAIN), epochs=60, learning_rate=0.01)
    scores = detector.anomaly_score(X)
    assert (scores < 0).any()
    explanation = detector.explain(X)
    assert explanation.contribution.sum(axis=1) == pytest.approx(scores, rel=1e-9)
    assert (explanation.share >= 0).all()


def test_a_far_off_row_has_a_finite_score_and_likelihood():
    network = variational(gaussian_output(dense(6, (8,), 3)), kl_in_score=True)
    detector = fitted(network, epochs=1, dtype="float32")
    scores = detector.anomaly_score(np.full((1, 6), 1e12))
    assert np.isfinite(scores).all()
    assert detector.is_anomaly(np.full((1, 6), 1e12)).all()


def test_a_gaussian_output_with_another_loss_is_refused():
    with pytest.raises(InvalidParameterError, match="needs loss 'gaussian', not 'mae'"):
        fitted(gaussian_output(PLAIN), loss="mae")
    with pytest.raises(InvalidParameterError, match="needs a network with a Gaussian output"):
        fitted(PLAIN, loss="gaussian")


def test_every_variant_of_every_builder_can_be_fitted(framework_backend):
    windows = np.random.default_rng(0).normal(size=(150, 8, 2))
    network = denoising(variational(architectures.recurrent((8, 2), 4)))
    detector = AnomalyDetector(
        architecture=network, backend=framework_backend.name, epochs=1, random_state=0
    ).fit(windows)
    assert np.isfinite(detector.anomaly_score(windows)).all()
