"""`TensorFlowTrainer`: a segment of steps is one call of a `tf.function` that XLA compiles.

How the functions below are called is in `aeanom.core.compiled`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import log
from typing import Any

import tensorflow as tf

from aeanom.backends.tensorflow.layers import Network, Noise, Parameters, draw_noise
from aeanom.backends.tensorflow.losses import row_losses
from aeanom.core.batches import Block
from aeanom.core.compiled import CompiledTrainer, Moments, Program


def run_steps(
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
    """Take `steps` optimiser steps; return parameters, moments and the summed row losses."""

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
        parameters, moments = optimizer_step(
            program,
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


def loss_sum(
    program: Program,
    parameters: Parameters,
    block: Block[tf.Tensor],
    order: tf.Tensor,
    row_weight: tf.Tensor,
    steps: tf.Tensor,
) -> tf.Tensor:
    """Sum the weighted row losses over `steps` batches, without noise."""

    def step(index: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = _gather(block, order[index])
        return index + 1, total + _weighted_sum(program, parameters, batch, row_weight[index], None)

    start = (tf.constant(0), tf.zeros((), row_weight.dtype))
    return tf.while_loop(lambda index, total: index < steps, step, start, parallel_iterations=1)[1]


def sum_and_gradients(
    program: Program,
    parameters: Parameters,
    block: Block[tf.Tensor],
    row_weight: tf.Tensor,
    noise: Noise | None,
) -> tuple[tf.Tensor, Parameters]:
    """Weighted sum of the row losses, and its gradients."""
    one = tf.ones((), row_weight.dtype)
    return _sum_and_gradients(program, parameters, block, row_weight, one, noise)


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


def optimizer_step(
    program: Program,
    parameters: Parameters,
    moments: Moments,
    gradients: Parameters,
    learning_rate: tf.Tensor,
    step: tf.Tensor,
) -> tuple[Parameters, Moments]:
    """Clip, then take one step of Adam as `aeanom.core.optimizers` states it.

    TensorFlow's own operator adds ε before the correction.
    """
    dtype = learning_rate.dtype
    optimizer = program.optimizer
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


@lru_cache(maxsize=256)
def _compiled(
    function: Callable[..., Any], program: Program, shapes: tuple[Any, ...]
) -> Callable[..., Any]:
    """Compile one of the functions above for a program; tensors are its only other arguments.

    A function that closed over variables would be traced again at every fit. There is one for
    every combination of shapes, because TensorFlow warns of a function that is traced for many.
    """

    def bound(*arguments: Any) -> Any:
        return function(program, *arguments)

    return tf.function(bound, jit_compile=True, autograph=False)


def _calls(function: Callable[..., Any]) -> Any:
    def call(program: Program, *arguments: Any) -> Any:
        tensors = tf.nest.flatten(arguments)
        shapes = tuple(None if part is None else (*part.shape, part.dtype) for part in tensors)
        return _compiled(function, program, shapes)(*arguments)

    return staticmethod(call)


class TensorFlowTrainer(CompiledTrainer):
    """Trains a `TensorFlowAutoencoder`."""

    run_steps_function = _calls(run_steps)
    loss_sum_function = _calls(loss_sum)
    sum_and_gradients_function = _calls(sum_and_gradients)
    optimizer_step_function = _calls(optimizer_step)

    def copy(self, parameters: Parameters) -> Parameters:
        """Copy tensors on the device."""
        return {name: tf.identity(tensor) for name, tensor in parameters.items()}
