"""The checks: each takes the evidence of a fit and yields what it finds, nothing if all is well.

`CHECKS` lists them; to write one, add a function there, a section to `docs/health.md`, and a test
that makes the failure happen. Imports NumPy, `core` and `errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import expm1, isfinite, prod

import numpy as np
from numpy.typing import NDArray

from aeanom.architectures import Architecture
from aeanom.architectures.layers import GaussianLatent
from aeanom.core.history import Finding, History
from aeanom.core.losses import Loss, elementwise_loss
from aeanom.errors import HealthWarning, warn
from aeanom.health.linear import linear_reconstruction
from aeanom.health.sample import Sample, usual_count

__all__ = ["CHECKS", "Evidence", "check_fit", "warn_of"]

Floats = NDArray[np.float64]

# Each bound is explained in docs/health.md, with what it gave on real tables.
MEANS_SHARE = 0.95
LINEAR_RATIO = 1.1
LINEAR_EXCESS = 0.02
DEAD_SPREAD = 1e-3
COLLAPSED_NATS = 0.1
LAST_PART = 0.1
FALL = 0.05
OVERFIT_CHANCE = 0.65
CONSTANT_SPREAD = 1e-3
ROUNDING = 100


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the checks look at.

    Attributes
    ----------
    history : History
        The course of the training.
    architecture : Architecture
    loss : Loss
    dtype : str
        Of the network.
    training : Sample
        Rows that the network was trained on.
    held_out : Sample or None
        Normal rows that it was not; None where there are none, or too few.
    own_rows : bool
        Whether the held-out rows are others than a random share of the training data.
    """

    history: History
    architecture: Architecture
    loss: Loss
    dtype: str
    training: Sample
    held_out: Sample | None
    own_rows: bool = False

    @property
    def judged(self) -> Sample:
        """Rows on which reconstructions are compared: held-out ones where there are any."""
        return self.training if self.held_out is None else self.held_out

    @property
    def judged_in_words(self) -> str:
        """Name of those rows."""
        return "training rows" if self.held_out is None else "rows held out of training"

    @cached_property
    def latent_size(self) -> int | None:
        """Number of units of the latent; None for a module that has none."""
        if self.training.latents is None:
            return None
        return prod(self.training.latents.shape[1:])

    @cached_property
    def network_error(self) -> float:
        """Mean cost of the network's reconstruction of the judged rows."""
        return self.cost(self.judged.reconstruction)

    @cached_property
    def means_error(self) -> float:
        """Mean cost of the training rows' means, in the place of every judged row."""
        return self.cost(np.broadcast_to(self.training.rows.mean(axis=0), self.judged.rows.shape))

    def cost(self, reconstruction: Floats) -> float:
        """Mean cost of a reconstruction of the judged rows, without the 5 % that cost most.

        By the loss, where it compares values with values. A likelihood and a cross-entropy need
        more than values, and take the squared error.
        """
        loss = Loss("mse") if self.loss.takes_raw_output else self.loss
        elements = elementwise_loss(loss, reconstruction, self.judged.rows)
        rows = np.sort(elements.reshape(len(elements), -1).mean(axis=1))
        return float(rows[: usual_count(len(rows))].mean())


def check_fit(evidence: Evidence) -> tuple[Finding, ...]:
    """Make all checks, in the order of `CHECKS`; a healthy fit has no finding."""
    return tuple(finding for check in CHECKS for finding in check(evidence))


def warn_of(findings: tuple[Finding, ...]) -> None:
    """Give one `HealthWarning` that holds all findings that are warnings, if there are any."""
    messages = [finding.message for finding in findings if finding.severity == "warning"]
    if messages:
        warn("\n".join(messages), HealthWarning)


# Is there anything in the reconstructions? -------------------------------------------------------


def no_better_than_means(evidence: Evidence) -> Iterator[Finding]:
    """Look for a network that returns rows no better than the means of the columns would."""
    network, means = evidence.network_error, evidence.means_error
    if means > 0 and network >= MEANS_SHARE * means:
        yield _finding(
            "no_better_than_means",
            f"The network returns {evidence.judged_in_words} no better than the means of the "
            f"columns do (error {network:.3g}, means {means:.3g}): it has learnt nothing, and its "
            "scores are distances from the mean. Train longer (epochs) or with a larger "
            "learning_rate, or look for columns that have nothing to do with each other",
            network_error=network,
            means_error=means,
        )


def worse_than_pca(evidence: Evidence) -> Iterator[Finding]:
    """Look for a network that as many principal components clearly outdo."""
    size, n = evidence.latent_size, len(evidence.training)
    d = prod(evidence.training.rows.shape[1:])
    if size is None:
        yield _note(
            "pca_not_compared",
            "The network was not compared with a PCA: a module that maps rows to rows does not "
            "say how wide its latent is. Give it methods `encode` and `decode`",
        )
        return
    if size >= d or evidence.means_error == 0:
        # A PCA of that size returns every row, which says nothing.
        return
    if size >= n - 1:
        yield _note(
            "pca_not_compared",
            f"The network was not compared with a PCA: {n} training rows do not determine "
            f"{size} principal components",
        )
        return
    training, rows = (
        sample.reshape(len(sample), d) for sample in (evidence.training.rows, evidence.judged.rows)
    )
    linear = evidence.cost(
        linear_reconstruction(training, rows, size).reshape(evidence.judged.rows.shape)
    )
    network, means = evidence.network_error, evidence.means_error
    if network > LINEAR_RATIO * linear and network - linear > LINEAR_EXCESS * means:
        yield _finding(
            "worse_than_pca",
            f"A PCA with {size} components returns {evidence.judged_in_words} better than the "
            f"network with its {size} latent units (error {linear:.3g}, network {network:.3g}, "
            f"column means {means:.3g}): compare it on your data (aeanom evaluate --baselines), "
            "train longer (epochs), use a larger learning_rate, or a wider hidden layer",
            network_error=network,
            pca_error=linear,
            means_error=means,
            components=size,
        )


# Is the latent used? -----------------------------------------------------------------------------


def dead_latent_units(evidence: Evidence) -> Iterator[Finding]:
    """Look for units of the latent that are the same for every row."""
    latents = evidence.training.latents
    if latents is None or _divergence(evidence) is not None:
        # A variational network switches off units that it does not need: see kl_at_zero.
        return
    if not np.ptp(evidence.training.rows, axis=0).any():
        # Rows that are all alike have one latent: see constant_scores.
        return
    # A channel of a convolutional latent is one unit, seen at many places.
    spread = latents.reshape(-1, latents.shape[-1]).std(axis=0)
    dead = int((spread <= DEAD_SPREAD * spread.max()).sum())
    if dead:
        units = "channels" if latents.ndim > 2 else "units"
        yield _finding(
            "dead_latent_units",
            f"{dead} of {len(spread)} {units} of the latent hardly vary between rows: the network "
            "is narrower than it looks. Use a linear or tanh activation for the latent instead of "
            "ReLU, a smaller learning_rate, another random_state, or a narrower latent",
            dead=dead,
            units=len(spread),
        )


def kl_at_zero(evidence: Evidence) -> Iterator[Finding]:
    """Look for a variational network that has stopped using its latent (posterior collapse)."""
    divergence = _divergence(evidence)
    if divergence is not None and divergence < COLLAPSED_NATS:
        yield _finding(
            "kl_at_zero",
            f"The KL divergence of the variational latent is {divergence:.2g} nats a row: the "
            "latent tells nothing about a row any more (posterior collapse), and every row is "
            "returned alike. Use a smaller beta, or more warm_up_steps over which it rises",
            divergence=divergence,
        )


def _divergence(evidence: Evidence) -> float | None:
    """Return the mean KL divergence of a row in nats; None where no latent is variational."""
    betas = [
        placed.layer.beta
        for placed in evidence.architecture.walk()
        if isinstance(placed.layer, GaussianLatent) and placed.layer.beta
    ]
    if not betas:
        return None
    elements = prod(evidence.architecture.input_shape)
    return float(evidence.training.penalties.mean()) * elements / max(betas)


# Did training end well? --------------------------------------------------------------------------


def loss_still_falling(evidence: Evidence) -> Iterator[Finding]:
    """Look for a loss that was still falling fast when the epochs were used up."""
    history = evidence.history
    n = history.epochs
    if history.stopped_by != "epochs" or n < 2:
        return
    last = max(round(LAST_PART * n), 1)
    # Both: a validation loss that falls alone is chance, a training loss that does is overfitting.
    curves = [history.loss, history.validation_loss or history.loss]
    fall = min(_fall(curve, last, evidence.loss) for curve in curves)
    if fall > FALL:
        yield _finding(
            "loss_still_falling",
            f"The loss fell by {100 * fall:.2g} % in the last "
            f"{'epoch' if last == 1 else f'{last} epochs'} of {n}: training ended before it was "
            "done. Give it more epochs, or a larger learning_rate",
            fall=fall,
            epochs=n,
        )


def _fall(losses: list[float], last: int, loss: Loss) -> float:
    """Return by what share the mean of the last losses is below that of as many before."""
    before, after = float(np.mean(losses[-2 * last : -last])), float(np.mean(losses[-last:]))
    if loss.name == "gaussian":
        # A likelihood may be of either sign: by what share its variances would have to shrink.
        return -expm1(2 * (after - before))
    return 1 - after / before if before > 0 else 0.0


def overfit(evidence: Evidence) -> Iterator[Finding]:
    """Look for held-out rows that score otherwise than the rows that trained."""
    if evidence.held_out is None:
        return
    training, held_out = np.sort(evidence.training.row_errors), evidence.held_out.row_errors
    chance = _chance_of_more(held_out, training)
    n, m = len(held_out), len(training)
    # Of the Mann-Whitney statistic, were the two samples alike.
    deviation = np.sqrt((n + m + 1) / (12 * n * m))
    if abs(chance - 0.5) <= max(OVERFIT_CHANCE - 0.5, 3 * deviation):
        return
    low, high = np.median(training) + evidence.loss.least, np.median(held_out) + evidence.loss.least
    figures = {"chance": chance, "training_median": float(low), "held_out_median": float(high)}
    medians = f"(medians {high:.3g} and {low:.3g}, higher in {chance:.0%} of pairs)"
    if chance > 0.5:
        advice = (
            "the network knows its training rows by heart. A threshold on held-out rows holds all "
            "the same, one on training rows does not. Use more rows, fewer epochs, a smaller "
            "network, or noise (architectures.denoising)"
        )
        if evidence.own_rows:
            advice = "they are unlike the training rows, or " + advice
        yield _finding(
            "overfit",
            f"Held-out rows score higher than training rows {medians}: {advice}",
            **figures,
        )
    else:
        yield _finding(
            "easier_calibration",
            f"Held-out rows score lower than training rows {medians}: they are unlike the rows "
            "that trained, and a threshold set on them flags more of other rows than it says. "
            "Calibrate with rows like those that will be scored",
            **figures,
        )


def _chance_of_more(values: Floats, ordered: Floats) -> float:
    """Return how often one of `values` is more than one of `ordered`, ties counting half."""
    below = np.searchsorted(ordered, values, side="left")
    not_above = np.searchsorted(ordered, values, side="right")
    return float((below + not_above).mean()) / (2 * len(ordered))


def constant_scores(evidence: Evidence) -> Iterator[Finding]:
    """Look for scores that are all alike, or so low that what is left is rounding."""
    scores = evidence.judged.row_errors
    low, middle, high = np.quantile(scores, (0.05, 0.5, 0.95))
    rows = evidence.judged.rows
    size = float(np.sqrt(np.square(rows).mean()))
    residual = float(np.sqrt(np.square(rows - evidence.judged.reconstruction).mean()))
    rounding = ROUNDING * float(np.finfo(evidence.dtype).eps)
    figures = {"low": float(low), "high": float(high)}
    if residual <= rounding * size:
        yield _finding(
            "constant_scores",
            f"The network returns {evidence.judged_in_words} almost exactly (a residual of "
            f"{residual:.2g} where values are about {size:.2g}): what is left is rounding, and "
            "scores of normal rows say nothing. Make the latent narrower than the rows, or check "
            "that the rows differ from each other",
            **figures,
        )
    elif len(scores) > 1 and high - low <= CONSTANT_SPREAD * middle:
        yield _finding(
            "constant_scores",
            f"Nearly all {evidence.judged_in_words} have the same score, {low:.6g} to {high:.6g}: "
            "the network takes all of them for one. Check that the rows differ from each other, "
            "and that the columns are scaled",
            **figures,
        )


Check = Callable[[Evidence], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    no_better_than_means,
    worse_than_pca,
    dead_latent_units,
    kl_at_zero,
    loss_still_falling,
    overfit,
    constant_scores,
)


def _finding(code: str, message: str, **figures: float) -> Finding:
    return Finding(code, "warning", message, _finite(figures))


def _note(code: str, message: str, **figures: float) -> Finding:
    return Finding(code, "note", message, _finite(figures))


def _finite(figures: dict[str, float]) -> dict[str, float]:
    """Return the figures that JSON can hold."""
    return {name: float(value) for name, value in figures.items() if isfinite(value)}
