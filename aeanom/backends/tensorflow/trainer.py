"""`TensorFlowTrainer`: a segment of steps is one call of a `tf.function` that XLA compiles.

What is compiled is keyed by the architecture, the loss, the optimiser and the shapes. Rows and
steps are padded to buckets and the number of steps is a run-time value, so another fit of the
same network on nearly as many rows compiles nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from math import log
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from aeanom.architectures import Architecture
from aeanom.backends.tensorflow.autoencoder import TensorFlowAutoencoder
from aeanom.backends.tensorflow.layers import Network, Noise, Parameters, draw_noise
from aeanom.backends.tensorflow.losses import row_losses
from aeanom.core.batches import Block, LossSum, Segment, bucket, evaluation_batches, pad_rows
from aeanom.core.losses import Loss
from aeanom.core.optimizers import Adam
from aeanom.core.plan import TrainingPlan
from aeanom.core.trainer import Trainer, TrainerState
from aeanom.core.weights import Float, Weights


class Placed(NamedTuple):
    """A block on the device, its arrays padded from `n_rows` to a bucket."""

    block: Block[tf.Tensor]
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


class TensorFlowTrainer(Trainer):
    """Trains a `TensorFlowAutoencoder`."""

    autoencoder: TensorFlowAutoencoder

    def __init__(self, autoencoder: TensorFlowAutoencoder, plan: TrainingPlan) -> None:
        super().__init__(autoencoder, plan)
        self._program = Program(autoencoder.architecture, plan.loss, plan.optimizer)
        zeros = {name: np.zeros(tensor.shape) for name, tensor in autoencoder.parameters.items()}
        self._moments = Moments(
            autoencoder.from_canonical(zeros), autoencoder.from_canonical(zeros)
        )
        self._seed = np.int32(plan.seed % 2**31)

    def place(self, block: Block[Float]) -> Placed:
        """Copy a block to the device."""
        return Placed(self._to_device(block, bucket(block.n_rows)), block.n_rows)

    def run_steps(self, placed: Placed, segment: Segment) -> LossSum:
        """Run all steps in one compiled call."""
        autoencoder = self.autoencoder
        to_device = autoencoder.to_device
        size = bucket(segment.steps)
        run_steps = _compiled(_run_steps, self._program)
        with tf.device(autoencoder.tf_device):
            autoencoder.parameters, self._moments, total = run_steps(
                autoencoder.parameters,
                self._moments,
                placed.block,
                tf.constant(pad_rows(segment.order, size)),
                to_device(pad_rows(segment.row_weight, size)),
                to_device(pad_rows(segment.schedules["learning_rate"], size)),
                segment.noise
                and {
                    name: to_device(pad_rows(draws, size)) for name, draws in segment.noise.items()
                },
                tf.constant(self._seed),
                tf.constant(np.int32(segment.first_step)),
                tf.constant(np.int32(segment.steps)),
            )
        self.step = segment.first_step + segment.steps
        return LossSum(total, segment.row_weight.sum())

    def evaluate(self, placed: Placed, schedules: Mapping[str, Float]) -> LossSum:
        """Sum the row losses without noise."""
        order, row_weight = evaluation_batches(placed.n_rows)
        size = bucket(len(order))
        evaluate = _compiled(_evaluate, self._program)
        with tf.device(self.autoencoder.tf_device):
            total = evaluate(
                self.autoencoder.parameters,
                placed.block,
                tf.constant(pad_rows(order, size)),
                self.autoencoder.to_device(pad_rows(row_weight, size)),
                tf.constant(np.int32(len(order))),
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
        gradients_of = _compiled(_gradients, self._program)
        with tf.device(autoencoder.tf_device):
            total, gradients = gradients_of(
                autoencoder.parameters,
                self._to_device(block, block.n_rows),
                autoencoder.to_device(row_weights),
                noise and {name: autoencoder.to_device(draws) for name, draws in noise.items()},
            )
        return LossSum(total, row_weights.sum()), autoencoder.to_canonical(gradients)

    def apply(self, gradients: Weights, schedules: Mapping[str, Float]) -> None:
        """Take one step with gradients from the host."""
        autoencoder = self.autoencoder
        apply = _compiled(_apply, self._program)
        with tf.device(autoencoder.tf_device):
            autoencoder.parameters, self._moments = apply(
                autoencoder.parameters,
                self._moments,
                autoencoder.from_canonical(gradients),
                autoencoder.to_device(schedules["learning_rate"][0]),
                tf.constant(np.int32(self.step)),
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
        self._moments = Moments(
            from_canonical(state.first_moment), from_canonical(state.second_moment)
        )

    def snapshot(self) -> Parameters:
        """Copy the weights on the device."""
        return {name: tf.identity(tensor) for name, tensor in self.autoencoder.parameters.items()}

    def restore(self, token: Parameters) -> None:
        """Put the weights of a snapshot back."""
        self.autoencoder.parameters = token

    def _to_device(self, block: Block[Float], size: int) -> Block[tf.Tensor]:
        return block.map(lambda part: self.autoencoder.to_device(pad_rows(part, size)))


@lru_cache(maxsize=64)
def _compiled(function: Callable[..., Any], program: Program) -> Callable[..., Any]:
    """Compile one of the functions below for a program; tensors are its only other arguments."""
    bound = lambda *arguments: function(program, *arguments)  # noqa: E731
    return tf.function(bound, jit_compile=True, autograph=False)


def _run_steps(
    program: Program,
    parameters: Parameters,
    moments: Moments,
    block: Block[tf.Tensor],
    order: tf.Tensor,
    row_weight: tf.Tensor,
    learning_rate: tf.Tensor,
    noise: Noise | None,
    seed: tf.Tensor,
    first_step: tf.Tensor,
    steps: tf.Tensor,
) -> tuple[Parameters, Moments, tf.Tensor]:
    def step(
        index: tf.Tensor, parameters: Parameters, moments: Moments, total: tf.Tensor
    ) -> tuple[tf.Tensor, Parameters, Moments, tf.Tensor]:
        weight = row_weight[index]
        if noise is not None:
            drawn = {name: draws[index] for name, draws in noise.items()}
        else:
            drawn = draw_noise(
                program.architecture, seed, first_step + index, weight.shape[0], weight.dtype
            )
        added, gradients = _sum_and_gradients(
            program, parameters, _gather(block, order[index]), weight, tf.reduce_sum(weight), drawn
        )
        parameters, moments = _step(
            program.optimizer,
            parameters,
            moments,
            gradients,
            learning_rate[index],
            first_step + index,
        )
        return index + 1, parameters, moments, total + added

    start = (tf.constant(0), parameters, moments, tf.zeros((), row_weight.dtype))
    _, parameters, moments, total = tf.while_loop(
        lambda index, *carry: index < steps, step, start, parallel_iterations=1
    )
    return parameters, moments, total


def _evaluate(
    program: Program,
    parameters: Parameters,
    block: Block[tf.Tensor],
    order: tf.Tensor,
    row_weight: tf.Tensor,
    steps: tf.Tensor,
) -> tf.Tensor:
    def step(index: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = _gather(block, order[index])
        return index + 1, total + _weighted_sum(program, parameters, batch, row_weight[index], None)

    start = (tf.constant(0), tf.zeros((), row_weight.dtype))
    return tf.while_loop(lambda index, total: index < steps, step, start, parallel_iterations=1)[1]


def _gradients(
    program: Program,
    parameters: Parameters,
    batch: Block[tf.Tensor],
    row_weight: tf.Tensor,
    noise: Noise | None,
) -> tuple[tf.Tensor, Parameters]:
    one = tf.ones((), row_weight.dtype)
    return _sum_and_gradients(program, parameters, batch, row_weight, one, noise)


def _apply(
    program: Program,
    parameters: Parameters,
    moments: Moments,
    gradients: Parameters,
    learning_rate: tf.Tensor,
    step: tf.Tensor,
) -> tuple[Parameters, Moments]:
    return _step(program.optimizer, parameters, moments, gradients, learning_rate, step)


def _gather(block: Block[tf.Tensor], index: tf.Tensor) -> Block[tf.Tensor]:
    return block.map(lambda part: tf.gather(part, index))


def _weighted_sum(
    program: Program,
    parameters: Parameters,
    batch: Block[tf.Tensor],
    row_weight: tf.Tensor,
    noise: Noise | None,
) -> tf.Tensor:
    network = Network(program.architecture, parameters)
    output = network.output(batch.rows, logits=program.loss.from_logits, noise=noise)
    losses = row_losses(program.loss, output, batch.target, batch.element_weights)
    return tf.reduce_sum(losses * row_weight)


def _sum_and_gradients(
    program: Program,
    parameters: Parameters,
    batch: Block[tf.Tensor],
    row_weight: tf.Tensor,
    divisor: tf.Tensor,
    noise: Noise | None,
) -> tuple[tf.Tensor, Parameters]:
    """Weighted sum of the row losses, and the gradients of that sum over `divisor`."""
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        total = _weighted_sum(program, parameters, batch, row_weight, noise)
        divided = total / divisor
    return total, tape.gradient(divided, parameters)


def _step(
    optimizer: Adam,
    parameters: Parameters,
    moments: Moments,
    gradients: Parameters,
    learning_rate: tf.Tensor,
    step: tf.Tensor,
) -> tuple[Parameters, Moments]:
    """Adam as `aeanom.core.optimizers` states it; TensorFlow's own operator has another ε."""
    dtype = learning_rate.dtype
    if optimizer.clip_norm is not None:
        squares = [tf.reduce_sum(gradient * gradient) for gradient in gradients.values()]
        factor = tf.minimum(optimizer.clip_norm / tf.sqrt(tf.add_n(squares)), 1)
        gradients = {name: gradient * factor for name, gradient in gradients.items()}
    # 1 - βᵗ by expm1: in float32 the plain difference is off by 5e-5 in the first step.
    count = tf.cast(step + 1, dtype)
    correction1 = -tf.math.expm1(count * log(optimizer.beta1)) if optimizer.beta1 else 1.0
    correction2 = -tf.math.expm1(count * log(optimizer.beta2)) if optimizer.beta2 else 1.0
    updated: Parameters = {}
    first: Parameters = {}
    second: Parameters = {}
    for name, gradient in gradients.items():
        square = gradient * gradient
        first[name] = optimizer.beta1 * moments.first[name] + (1 - optimizer.beta1) * gradient
        second[name] = optimizer.beta2 * moments.second[name] + (1 - optimizer.beta2) * square
        root = tf.sqrt(second[name] / correction2) + optimizer.epsilon
        update = first[name] / correction1 / root + optimizer.weight_decay * parameters[name]
        updated[name] = parameters[name] - learning_rate * update
    return updated, Moments(first, second)
