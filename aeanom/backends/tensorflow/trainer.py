"""`TensorFlowTrainer`: a segment of steps is one call of a compiled `tf.function`.

How the functions below are called is in `aeanom.core.compiled`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import log, prod
from typing import Any

import tensorflow as tf

from aeanom.architectures import Architecture
from aeanom.backends.tensorflow.losses import row_losses
from aeanom.backends.tensorflow.module import ModuleNetwork
from aeanom.backends.tensorflow.network import (
    Network,
    Noise,
    Parameters,
    draw_noise,
    kept_with_network,
    make_network,
    uses_xla,
)
from aeanom.core.batches import Block
from aeanom.core.compiled import CompiledTrainer, Moments, Program
from aeanom.core.layers import Context
from aeanom.core.losses import Loss
from aeanom.core.optimizers import Adam

Schedules = Mapping[str, tf.Tensor]


def run_steps(
    program: Program,
    parameters: Parameters,
    moments: Moments,
    block: Block[tf.Tensor],
    order: tf.Tensor,
    row_weight: tf.Tensor,
    schedules: Schedules,
    noise: Noise | None,
    seed: tf.Tensor,
    first_step: tf.Tensor,
    steps: tf.Tensor,
) -> tuple[Parameters, Moments, tf.Tensor]:
    """Take `steps` optimiser steps; return parameters, moments and the summed row losses."""
    n_elements = prod(program.architecture.input_shape)

    def step(
        index: tf.Tensor, parameters: Parameters, moments: Moments, total: tf.Tensor
    ) -> tuple[tf.Tensor, Parameters, Moments, tf.Tensor]:
        weight = row_weight[index]
        if noise:
            drawn = _at(noise, index)
        else:
            drawn = draw_noise(
                program.architecture, seed, first_step + index, weight.shape[0], weight.dtype
            )
        scheduled = _at(schedules, index)
        context = Context("train", weight, drawn, scheduled, n_elements)
        batch, divisor = _gather(block, order[index]), tf.reduce_sum(weight)
        added, gradients = _sum_and_gradients(program, parameters, batch, context, divisor)
        learning_rate = scheduled["learning_rate"]
        parameters, moments = optimizer_step(
            program, parameters, moments, gradients, learning_rate, first_step + index
        )
        return index + 1, parameters | context.updates, moments, total + added

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
    n_elements = prod(program.architecture.input_shape)
    network = make_network(program.architecture, parameters)

    def step(index: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        context = Context("evaluate", row_weight[index], n_elements=n_elements)
        added = _weighted_sum(program, network, _gather(block, order[index]), context)
        return index + 1, total + added

    start = (tf.constant(0), tf.zeros((), row_weight.dtype))
    return tf.while_loop(lambda index, total: index < steps, step, start, parallel_iterations=1)[1]


def sum_and_gradients(
    program: Program,
    parameters: Parameters,
    block: Block[tf.Tensor],
    row_weight: tf.Tensor,
    schedules: Schedules,
    noise: Noise | None,
) -> tuple[tf.Tensor, Parameters]:
    """Weighted sum of the row losses, and its gradients."""
    n_elements = prod(program.architecture.input_shape)
    context = Context("train", row_weight, noise or {}, schedules, n_elements)
    one = tf.ones((), row_weight.dtype)
    return _sum_and_gradients(program, parameters, block, context, one)


def _at(values: Mapping[str, tf.Tensor], index: tf.Tensor) -> Mapping[str, tf.Tensor]:
    return {name: value[index] for name, value in values.items()}


def _gather(block: Block[tf.Tensor], index: tf.Tensor) -> Block[tf.Tensor]:
    return block.map(lambda part: tf.gather(part, index))


def _weighted_sum(
    program: Program,
    network: Network | ModuleNetwork,
    batch: Block[tf.Tensor],
    context: Context[tf.Tensor],
) -> tf.Tensor:
    output = network.output(batch.rows, context, raw=program.loss.takes_raw_output)
    losses = row_losses(program.loss, output, batch.target, batch.element_weights)
    return tf.reduce_sum(context.penalised(losses) * context.row_weight)


def _sum_and_gradients(
    program: Program,
    parameters: Parameters,
    batch: Block[tf.Tensor],
    context: Context[tf.Tensor],
    divisor: tf.Tensor,
) -> tuple[tf.Tensor, Parameters]:
    """Weighted sum of the row losses, and the gradients of that sum over `divisor`.

    They are those of the trainable parameters, zero where one has no influence.
    """
    network = make_network(program.architecture, parameters)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(network.trainable)
        total = _weighted_sum(program, network, batch, context)
        divided = total / divisor
    gradients = tape.gradient(
        divided, network.trainable, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    # A module that gathers from a variable has sparse ones.
    return total, {name: tf.convert_to_tensor(value) for name, value in gradients.items()}


def optimizer_step(
    program: Program,
    parameters: Parameters,
    moments: Moments,
    gradients: Parameters,
    learning_rate: tf.Tensor,
    step: tf.Tensor,
) -> tuple[Parameters, Moments]:
    """Clip, then take one step of Adam as `aeanom.core.optimizers` states it; buffers stay.

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
    updated = dict(parameters)
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


@kept_with_network
def _compiled(
    architecture: Architecture,
    loss: Loss,
    optimizer: Adam,
    function: Callable[..., Any],
    shapes: tuple[Any, ...],
    device: str,
) -> Callable[..., Any]:
    """Compile one of the functions above for a program; tensors are its only other arguments.

    A function that closed over variables would be traced again at every fit. There is one for
    every combination of shapes, because TensorFlow warns of a function that is traced for many.
    It tells functions apart by their code, and only `partial` objects by themselves.
    """
    jit_compile = uses_xla(architecture, device)
    program = Program(architecture, loss, optimizer)
    return tf.function(partial(function, program), jit_compile=jit_compile, autograph=False)


def _calls(function: Callable[..., Any]) -> Any:
    def call(program: Program, *arguments: Any) -> Any:
        tensors = tf.nest.flatten(arguments)
        shapes = tuple(None if part is None else (*part.shape, part.dtype) for part in tensors)
        return _compiled(*program, function, shapes, tensors[0].device)(*arguments)

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
