"""`JaxTrainer`: a segment of steps is one call of a module-level `jax.jit`.

What is compiled is keyed by the architecture, the loss, the optimiser and the shapes. Rows and
steps are padded to buckets and the number of steps is a run-time value, so another fit of the
same network on nearly as many rows compiles nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from aeanom.architectures import Architecture
from aeanom.backends.jax.autoencoder import JaxAutoencoder
from aeanom.backends.jax.layers import Noise, Parameters, assemble, draw_noise
from aeanom.backends.jax.losses import row_losses
from aeanom.core.batches import Block, LossSum, Segment, bucket, evaluation_batches, pad_rows
from aeanom.core.losses import Loss
from aeanom.core.optimizers import Adam
from aeanom.core.plan import TrainingPlan
from aeanom.core.trainer import Trainer, TrainerState
from aeanom.core.weights import Float, Weights


class Placed(NamedTuple):
    """A block on the device, its arrays padded from `n_rows` to a bucket."""

    block: Block[jax.Array]
    n_rows: int


class Program(NamedTuple):
    """All that is compiled in, besides the shapes."""

    architecture: Architecture
    loss: Loss
    optimizer: Adam


class Moments(NamedTuple):
    """Adam's moments, by canonical parameter name."""

    first: Parameters
    second: Parameters


Carry = tuple[Parameters, Moments, jax.Array]


class JaxTrainer(Trainer):
    """Trains a `JaxAutoencoder`."""

    autoencoder: JaxAutoencoder

    def __init__(self, autoencoder: JaxAutoencoder, plan: TrainingPlan) -> None:
        super().__init__(autoencoder, plan)
        self._program = Program(autoencoder.architecture, plan.loss, plan.optimizer)
        with autoencoder.precision():
            zeros = {name: np.zeros(array.shape) for name, array in autoencoder.parameters.items()}
            self._moments = Moments(
                autoencoder.from_canonical(zeros), autoencoder.from_canonical(zeros)
            )
            self._key = jax.device_put(jax.random.key(plan.seed % 2**32), autoencoder.jax_device)

    def place(self, block: Block[Float]) -> Placed:
        """Copy a block to the device."""
        with self.autoencoder.precision():
            return Placed(self._to_device(block, bucket(block.n_rows)), block.n_rows)

    def run_steps(self, placed: Placed, segment: Segment) -> LossSum:
        """Run all steps in one compiled call."""
        autoencoder = self.autoencoder
        to_device = autoencoder.to_device
        size = bucket(segment.steps)
        with autoencoder.precision():
            autoencoder.parameters, self._moments, total = _run_steps(
                self._program,
                autoencoder.parameters,
                self._moments,
                placed.block,
                pad_rows(segment.order, size),
                to_device(pad_rows(segment.row_weight, size)),
                to_device(pad_rows(segment.schedules["learning_rate"], size)),
                segment.noise
                and {
                    name: to_device(pad_rows(draws, size)) for name, draws in segment.noise.items()
                },
                self._key,
                np.int32(segment.first_step),
                np.int32(segment.steps),
            )
        self.step = segment.first_step + segment.steps
        return LossSum(total, segment.row_weight.sum())

    def evaluate(self, placed: Placed, schedules: Mapping[str, Float]) -> LossSum:
        """Sum the row losses without noise."""
        order, row_weight = evaluation_batches(placed.n_rows)
        size = bucket(len(order))
        with self.autoencoder.precision():
            total = _evaluate(
                self._program,
                self.autoencoder.parameters,
                placed.block,
                pad_rows(order, size),
                self.autoencoder.to_device(pad_rows(row_weight, size)),
                np.int32(len(order)),
            )
        return LossSum(total, row_weight.sum())

    def gradients(
        self,
        block: Block[Float],
        row_weights: Float,
        schedules: Mapping[str, Float],
        noise: Mapping[str, Float] | None = None,
    ) -> tuple[LossSum, Weights]:
        """Gradients of the weighted sum of row losses, on the host."""
        autoencoder = self.autoencoder
        with autoencoder.precision():
            total, gradients = _gradients(
                self._program,
                autoencoder.parameters,
                self._to_device(block, block.n_rows),
                autoencoder.to_device(row_weights),
                noise and {name: autoencoder.to_device(draws) for name, draws in noise.items()},
            )
        return LossSum(total, row_weights.sum()), autoencoder.to_canonical(gradients)

    def apply(self, gradients: Weights, schedules: Mapping[str, Float]) -> None:
        """Take one step with gradients from the host."""
        autoencoder = self.autoencoder
        with autoencoder.precision():
            autoencoder.parameters, self._moments = _apply(
                self._program.optimizer,
                autoencoder.parameters,
                self._moments,
                autoencoder.from_canonical(gradients),
                autoencoder.to_device(schedules["learning_rate"][0]),
                np.int32(self.step),
            )
        self.step += 1

    def state(self) -> TrainerState:
        """Copy weights, moments and step to the host."""
        to_canonical = self.autoencoder.to_canonical
        return TrainerState(
            step=self.step,
            weights=self.autoencoder.weights(),
            first_moment=to_canonical(self._moments.first),
            second_moment=to_canonical(self._moments.second),
        )

    def load_state(self, state: TrainerState) -> None:
        """Copy a state in."""
        from_canonical = self.autoencoder.from_canonical
        self.step = state.step
        self.autoencoder.load_weights(state.weights)
        with self.autoencoder.precision():
            self._moments = Moments(
                from_canonical(state.first_moment), from_canonical(state.second_moment)
            )

    def snapshot(self) -> Parameters:
        """Copy the weights on the device."""
        # A real copy: the next segment is given the live arrays' memory.
        return {name: array.copy() for name, array in self.autoencoder.parameters.items()}

    def restore(self, token: Parameters) -> None:
        """Put the weights of a snapshot back."""
        self.autoencoder.parameters = {name: array.copy() for name, array in token.items()}

    def _to_device(self, block: Block[Float], size: int) -> Block[jax.Array]:
        return block.map(lambda part: self.autoencoder.to_device(pad_rows(part, size)))


@partial(jax.jit, static_argnums=0, donate_argnums=(1, 2))
def _run_steps(
    program: Program,
    parameters: Parameters,
    moments: Moments,
    block: Block[jax.Array],
    order: jax.Array,
    row_weight: jax.Array,
    learning_rate: jax.Array,
    noise: Noise | None,
    key: jax.Array,
    first_step: jax.Array,
    steps: jax.Array,
) -> tuple[Parameters, Moments, jax.Array]:
    def step(index: jax.Array, carry: Carry) -> Carry:
        parameters, moments, total = carry
        weight = row_weight[index]
        if noise is not None:
            drawn = {name: draws[index] for name, draws in noise.items()}
        else:
            drawn = draw_noise(
                program.architecture, key, first_step + index, len(weight), weight.dtype
            )
        added, gradients = _sum_and_gradients(
            program, parameters, _gather(block, order[index]), weight, weight.sum(), drawn
        )
        parameters, moments = _step(
            program.optimizer,
            parameters,
            moments,
            gradients,
            learning_rate[index],
            first_step + index,
        )
        return parameters, moments, total + added

    start = (parameters, moments, jnp.zeros((), row_weight.dtype))
    return jax.lax.fori_loop(0, steps, step, start)


@partial(jax.jit, static_argnums=0)
def _evaluate(
    program: Program,
    parameters: Parameters,
    block: Block[jax.Array],
    order: jax.Array,
    row_weight: jax.Array,
    steps: jax.Array,
) -> jax.Array:
    def step(index: jax.Array, total: jax.Array) -> jax.Array:
        batch = _gather(block, order[index])
        return total + _weighted_sum(program, parameters, batch, row_weight[index], None)

    return jax.lax.fori_loop(0, steps, step, jnp.zeros((), row_weight.dtype))


@partial(jax.jit, static_argnums=0)
def _gradients(
    program: Program,
    parameters: Parameters,
    batch: Block[jax.Array],
    row_weight: jax.Array,
    noise: Noise | None,
) -> tuple[jax.Array, Parameters]:
    one = jnp.ones((), row_weight.dtype)
    return _sum_and_gradients(program, parameters, batch, row_weight, one, noise)


@partial(jax.jit, static_argnums=0, donate_argnums=(1, 2))
def _apply(
    optimizer: Adam,
    parameters: Parameters,
    moments: Moments,
    gradients: Parameters,
    learning_rate: jax.Array,
    step: jax.Array,
) -> tuple[Parameters, Moments]:
    return _step(optimizer, parameters, moments, gradients, learning_rate, step)


def _gather(block: Block[jax.Array], index: jax.Array) -> Block[jax.Array]:
    return block.map(lambda part: part.at[index].get(mode="promise_in_bounds"))


def _weighted_sum(
    program: Program,
    parameters: Parameters,
    batch: Block[jax.Array],
    row_weight: jax.Array,
    noise: Noise | None,
) -> jax.Array:
    network = assemble(program.architecture, str(row_weight.dtype), parameters)
    output = network.output(batch.rows, logits=program.loss.from_logits, noise=noise)
    return row_losses(program.loss, output, batch.target, batch.element_weights) @ row_weight


def _sum_and_gradients(
    program: Program,
    parameters: Parameters,
    batch: Block[jax.Array],
    row_weight: jax.Array,
    divisor: jax.Array,
    noise: Noise | None,
) -> tuple[jax.Array, Parameters]:
    """Weighted sum of the row losses, and the gradients of that sum over `divisor`."""

    def divided(parameters: Parameters) -> tuple[jax.Array, jax.Array]:
        total = _weighted_sum(program, parameters, batch, row_weight, noise)
        return total / divisor, total

    (_, total), gradients = jax.value_and_grad(divided, has_aux=True)(parameters)
    return total, gradients


def _step(
    optimizer: Adam,
    parameters: Parameters,
    moments: Moments,
    gradients: Parameters,
    learning_rate: jax.Array,
    step: jax.Array,
) -> tuple[Parameters, Moments]:
    if optimizer.clip_norm is not None:
        squares = [jnp.sum(gradient * gradient) for gradient in gradients.values()]
        norm = jnp.sqrt(sum(squares))
        factor = jnp.minimum(optimizer.clip_norm / norm, 1)
        gradients = jax.tree.map(lambda gradient: gradient * factor, gradients)
    adam = optax.scale_by_adam(optimizer.beta1, optimizer.beta2, optimizer.epsilon)
    state = optax.ScaleByAdamState(count=step, mu=moments.first, nu=moments.second)
    updates, state = adam.update(gradients, state)
    if optimizer.weight_decay:
        updates = jax.tree.map(
            lambda update, parameter: update + optimizer.weight_decay * parameter,
            updates,
            parameters,
        )
    parameters = jax.tree.map(
        lambda parameter, update: parameter - learning_rate * update, parameters, updates
    )
    return parameters, Moments(state.mu, state.nu)
