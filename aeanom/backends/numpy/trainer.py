"""`NumpyTrainer`: hand-derived gradients into one flat array, Adam in place."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from aeanom.backends.numpy.autoencoder import NumpyAutoencoder
from aeanom.backends.numpy.context import NumpyContext, Workspace
from aeanom.backends.numpy.losses import derivative_scale, row_losses
from aeanom.backends.numpy.network import draw_noise
from aeanom.core.batches import Block, LossSum, Segment, aligned_empty, aligned_zeros
from aeanom.core.layers import Mode
from aeanom.core.plan import TrainingPlan
from aeanom.core.trainer import Trainer, TrainerState
from aeanom.core.weights import Float, Weights

ADAM_BLOCK = 2**16
"""Parameters that Adam takes through all its operations at a time: they stay in the cache."""


class NumpyTrainer(Trainer):
    """Trains a `NumpyAutoencoder`."""

    autoencoder: NumpyAutoencoder

    def __init__(self, autoencoder: NumpyAutoencoder, plan: TrainingPlan) -> None:
        super().__init__(autoencoder, plan)
        flat = autoencoder.trainable
        self._gradient, self._first_moment, self._second_moment = (
            aligned_zeros(flat.shape, flat.dtype) for _ in range(3)
        )
        self._gradients = autoencoder.views(self._gradient, autoencoder.architecture.trainable)
        self._workspace = Workspace(autoencoder.dtype)
        # What gradient and moments are kept over: full batches then need no scaling at all.
        self._derivative_scale = derivative_scale(plan.loss, autoencoder.network.n_elements)
        self._scale = self._derivative_scale / plan.batch_size
        arrays = flat, self._gradient, self._first_moment, self._second_moment
        blocks = range(0, len(flat), ADAM_BLOCK)
        self._blocks = [[array[start : start + ADAM_BLOCK] for array in arrays] for start in blocks]
        self._scratch = aligned_empty(flat[:ADAM_BLOCK].shape, flat.dtype)
        # Arrays of no axes: an operation with one takes half as long to begin as with a float.
        self._beta1, self._beta2 = (
            np.array(beta, flat.dtype) for beta in (plan.optimizer.beta1, plan.optimizer.beta2)
        )
        self._rate, self._epsilon = np.empty((), flat.dtype), np.empty((), flat.dtype)
        self._flushing = plan.optimizer.flushing(flat.dtype.name)

    def place(self, block: Block[Float]) -> Block[Float]:
        """Convert a block to the network's dtype."""
        return block.map(lambda part: np.ascontiguousarray(part, self.autoencoder.dtype))

    def run_steps(self, placed: Block[Float], segment: Segment) -> LossSum:
        """Run the steps one by one."""
        row_weight = segment.row_weight
        factors = row_weight * (self.plan.batch_size / row_weight.sum(axis=1, keepdims=True))
        schedules = {name: values.tolist() for name, values in segment.schedules.items()}
        # Indices of NumPy's own kind: `take` would convert any others at every step.
        order = segment.order.astype(np.intp)
        losses = np.zeros(order.shape, self.autoencoder.dtype)
        context = self._context("train")
        with np.errstate(over="ignore", invalid="ignore"):
            for step, count in enumerate(segment.row_counts()):
                used = slice(count)
                context.start(
                    row_weight[step] if count is None else None,
                    {name: draws[used] for name, draws in self._noise(segment, step).items()},
                    {name: values[step] for name, values in schedules.items()},
                )
                batch = self._gather(placed, order[step, used])
                factor = None if count == self.plan.batch_size else factors[step, used]
                losses[step, used] = self._backward(batch, factor, context)
                self._step(schedules["learning_rate"][step])
                for name, value in context.updates.items():
                    self.autoencoder.parameters[name][...] = value
            total = (losses * row_weight).sum()
        return LossSum(total, row_weight.sum())

    def evaluate(self, placed: Block[Float], schedules: Mapping[str, Float]) -> LossSum:
        """Sum the row losses without noise."""
        loss, network, workspace = self.plan.loss, self.autoencoder.network, self._workspace
        chunk = self.autoencoder.chunk_rows()
        total = 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, placed.n_rows, chunk):
                batch = placed.map(itemgetter(slice(start, start + chunk)))
                context = self._context("evaluate")
                output = network.output(batch.rows, context, raw=loss.takes_raw_output)
                losses, _ = row_losses(loss, output, batch.target, batch.element_weights, workspace)
                total += float(context.penalised(losses).sum())
        return LossSum(total, placed.n_rows)

    def gradients(
        self,
        block: Block[Float],
        row_weights: Float,
        schedules: Mapping[str, Float],
        noise: Mapping[str, Float] | None = None,
    ) -> tuple[LossSum, Weights]:
        """Gradients of the weighted sum of row losses."""
        with np.errstate(over="ignore", invalid="ignore"):
            values = {name: float(values[0]) for name, values in schedules.items()}
            context = self._context("train", values, noise or {}, row_weights)
            factor = row_weights * self.plan.batch_size
            total = self._backward(self.place(block), factor, context) @ row_weights
        gradients = self.autoencoder.to_canonical(self._gradient * self._scale)
        return LossSum(total, row_weights.sum()), gradients

    def apply(self, gradients: Weights, schedules: Mapping[str, Float]) -> None:
        """Take one step with gradients from outside."""
        self._gradient[:] = self.autoencoder.from_canonical(gradients) / self._scale
        self._step(float(schedules["learning_rate"][0]))

    def state(self) -> TrainerState:
        """Copy weights, moments and step."""
        to_canonical = self.autoencoder.to_canonical
        first_scale, second_scale = self._moment_scales()
        return TrainerState(
            step=self.step,
            weights=self.autoencoder.weights(),
            first_moment=to_canonical(self._first_moment * first_scale),
            second_moment=to_canonical(self._second_moment * second_scale),
        )

    def load_state(self, state: TrainerState) -> None:
        """Copy a state in."""
        from_canonical = self.autoencoder.from_canonical
        first_scale, second_scale = self._moment_scales()
        self.step = state.step
        self.autoencoder.load_weights(state.weights)
        self._first_moment[:] = from_canonical(state.first_moment) / first_scale
        self._second_moment[:] = from_canonical(state.second_moment) / second_scale

    def snapshot(self) -> Float:
        """Copy the weights."""
        return self.autoencoder.flat.copy()

    def restore(self, token: Float) -> None:
        """Put the weights of a snapshot back."""
        self.autoencoder.flat[:] = token

    def _gather(self, placed: Block[Float], index: NDArray[np.intp]) -> Block[Float]:
        """Gather the rows of one batch into the workspace."""
        names = iter(Block._fields)

        def take(part: Float) -> Float:
            out = self._workspace.array(next(names), (len(index), *part.shape[1:]))
            # "clip" lets NumPy write into `out` without a buffer; every index is in bounds.
            return part.take(index, axis=0, out=out, mode="clip")

        return placed.map(take)

    def _backward(self, batch: Block[Float], factor: Float | None, context: NumpyContext) -> Float:
        """Fill the flat gradient with that of the sum of row losses; return these.

        `factor` is each row's in that sum; None means 1. The gradient is kept over `self._scale`,
        so that the rows of a full batch have the factor 1.
        """
        loss, network = self.plan.loss, self.autoencoder.network
        output, backward = network.output_with_backward(
            batch.rows, context, raw=loss.takes_raw_output
        )
        losses, delta = row_losses(
            loss,
            output,
            batch.target,
            batch.element_weights,
            self._workspace,
            factor,
        )
        if context.penalties:
            rows = np.ones(len(losses)) if factor is None else factor
            context.penalty_factor = (rows / self._derivative_scale).astype(delta.dtype)
        backward(delta, False)
        return context.penalised(losses)

    def _step(self, learning_rate: float) -> None:
        """Adam as `aeanom.core.optimizers` states it; overwrites the gradient."""
        adam = self.plan.optimizer
        factor = 1.0
        if adam.clip_norm is not None:
            norm = float(np.sqrt(self._gradient @ self._gradient)) * self._scale
            factor = min(1.0, adam.clip_norm / norm) if norm else 1.0
        self.step += 1
        if factor != 1.0:
            self._gradient *= factor
        if adam.weight_decay:
            self.autoencoder.trainable *= 1 - learning_rate * adam.weight_decay
        # The moments are kept without their factors 1 - β and over the gradient's scale, which
        # saves three passes (see `_moment_scales`). The scalars below put that right.
        root = ((1 - adam.beta2**self.step) / (1 - adam.beta2)) ** 0.5
        self._rate[...] = learning_rate * (1 - adam.beta1) / (1 - adam.beta1**self.step) * root
        self._epsilon[...] = adam.epsilon * root / self._scale
        for flat, gradient, first, second in self._blocks:
            scratch = self._scratch[: len(flat)]
            first *= self._beta1
            first += gradient
            np.multiply(gradient, gradient, out=gradient)
            second *= self._beta2
            second += gradient
            np.sqrt(second, out=scratch)
            scratch += self._epsilon
            np.divide(first, scratch, out=scratch)
            scratch *= self._rate
            flat -= scratch
        if self.step % self._flushing.every == 0:
            for moment, least in (
                (self._first_moment, self._flushing.first),
                (self._second_moment, self._flushing.second),
            ):
                moment *= np.abs(moment) >= least

    def _moment_scales(self) -> tuple[float, float]:
        """Return what the kept moments are multiplied by to be Adam's."""
        adam = self.plan.optimizer
        return (1 - adam.beta1) * self._scale, (1 - adam.beta2) * self._scale**2

    def _context(
        self,
        mode: Mode,
        schedules: Mapping[str, float] | None = None,
        noise: Mapping[str, Float] | None = None,
        row_weight: Float | None = None,
    ) -> NumpyContext:
        return NumpyContext(
            mode=mode,
            row_weight=row_weight,
            draws=noise or {},
            schedules=schedules or {},
            n_elements=self.autoencoder.network.n_elements,
            workspace=self._workspace,
            gradients=self._gradients,
        )

    def _noise(self, segment: Segment, step: int) -> Mapping[str, Float]:
        """Draws of one step of a segment: those that came with it, or our own."""
        if segment.noise is not None:
            return {name: draws[step] for name, draws in segment.noise.items()}
        architecture, dtype = self.autoencoder.architecture, self.autoencoder.dtype
        seed, batch = self.plan.seed, segment.order.shape[1]
        return draw_noise(architecture, seed, segment.first_step + step, batch, dtype)
