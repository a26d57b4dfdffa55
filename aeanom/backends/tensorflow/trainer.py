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
    compile_once,
    draw_noise,
    kept_with_network,
    make_network,
)
from aeanom.core.batches import Block
from aeanom.core.compiled import CompiledTrainer, Moments, Program, gathers_ahead
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
    """Take `steps` optimiser steps; return parameters, moments and the summed row losses.

    Parameters that are variables are assigned here, which saves a call for each; then none is
    returned.
    """
    architecture = program.architecture
    n_elements = prod(architecture.input_shape)
    values = {name: tf.convert_to_tensor(value) for name, value in parameters.items()}
    trainable = {held.name: values.pop(held.name) for held in architecture.trainable}

    def step(
        index: tf.Tensor,
        buffers: Parameters,
        joined: Parameters,
        moments: Moments,
        total: tf.Tensor,
    ) -> tuple[tf.Tensor, Parameters, Parameters, Moments, tf.Tensor]:
        weight = row_weight[index]
        if noise:
            drawn = _at(noise, index)
        else:
            drawn = draw_noise(
                architecture, seed, first_step + index, weight.shape[0], weight.dtype
            )
        scheduled = _at(schedules, index)
        context = Context("train", weight, drawn, scheduled, n_elements)
        batch = _gather(block, order[index]) if ordered is None else _gather(ordered, index)
        divisor = tf.reduce_sum(weight)
        current = buffers | separate(joined, trainable)
        added, gradients = _sum_and_gradients(program, current, batch, context, divisor)
        learning_rate = scheduled["learning_rate"]
        joined, moments = optimizer_step(
            program, joined, moments, join(gradients), learning_rate, first_step + index
        )
        return index + 1, buffers | context.updates, joined, moments, total + added

    ordered = _gather(block, order) if gathers_ahead(block, order) else None
    joined_moments = Moments(join(moments.first), join(moments.second))
    zero = tf.zeros((), row_weight.dtype)
    start = (tf.constant(0), values, join(trainable), joined_moments, zero)
    _, buffers, joined, (first, second), total = tf.while_loop(
        lambda index, *carry: index < steps, step, start, parallel_iterations=1
    )
    updated = buffers | separate(joined, trainable)
    moments = Moments(separate(first, trainable), separate(second, trainable))
    variables = {
        name: updated.pop(name)
        for name, parameter in parameters.items()
        if isinstance(parameter, tf.Variable)
    }
    for name, value in variables.items():
        parameters[name].assign(value)
    return updated, moments, total


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
        batch = _gather(block, order[index])
        added = _weighted_sum(program, network, batch, context, row_weight.dtype)
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
    dtype: tf.DType | str,
) -> tf.Tensor:
    """Weighted sum of the row losses; the layers compute in `dtype`, the loss in the rows' own."""
    rows = batch.rows
    output = network.output(tf.cast(rows, dtype), context, raw=program.loss.takes_raw_output)
    losses = row_losses(
        program.loss, tf.cast(output, rows.dtype), batch.target, batch.element_weights
    )
    context.penalties = [tf.cast(value, rows.dtype) for value in context.penalties]
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
    dtype = program.compute_dtype or divisor.dtype
    trainable = {held.name for held in program.architecture.trainable}
    # Buffers stay what they are: the running statistics would not move in bfloat16.
    cast = {
        name: tf.cast(value, dtype) if name in trainable else value
        for name, value in parameters.items()
    }
    context.schedules = {name: tf.cast(value, dtype) for name, value in context.schedules.items()}
    network = make_network(program.architecture, cast)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(network.trainable)
        total = _weighted_sum(program, network, batch, context, dtype)
        divided = total / divisor
    gradients = tape.gradient(
        divided, network.trainable, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    # A module that gathers from a variable has sparse ones.
    dense = {name: tf.convert_to_tensor(value) for name, value in gradients.items()}
    return total, {name: tf.cast(value, divisor.dtype) for name, value in dense.items()}


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


SMALL = 2**16
"""Most trainable values of a network whose arrays are joined."""
JOINED = "(joined)"
"""Name of the vector that `join` makes, which no parameter has."""


def join(arrays: Parameters) -> Parameters:
    """Put the arrays of a small network into one vector.

    Every array has its own kernels, which XLA compiles and which start at every step: joined, a
    tiny network compiles in half the time and trains 1.5 times as fast. Larger ones would be
    copied at every step: with 200,000 values that costs 5 %.
    """
    if sum(prod(array.shape) for array in arrays.values()) > SMALL:
        return arrays
    # Sorted by name: TensorFlow does not promise the order of a dict that goes through a function.
    return {JOINED: tf.concat([tf.reshape(arrays[name], (-1,)) for name in sorted(arrays)], 0)}


def separate(joined: Parameters, like: Parameters) -> Parameters:
    """Take apart what `join` made of arrays of these names and shapes."""
    if JOINED not in joined:
        return joined
    names = sorted(like)
    parts = tf.split(joined[JOINED], [prod(like[name].shape) for name in names])
    return {
        name: tf.reshape(part, like[name].shape) for name, part in zip(names, parts, strict=True)
    }


@kept_with_network
def _compiled(
    architecture: Architecture,
    loss: Loss,
    optimizer: Adam,
    compute_dtype: str | None,
    function: Callable[..., Any],
    shapes: tuple[Any, ...],
    device: str,
) -> Callable[..., Any]:
    """Compile one of the functions above for a program; tensors are its only other arguments.

    A function that closed over variables would be traced again at every fit.
    """
    program = Program(architecture, loss, optimizer, compute_dtype)
    return compile_once(partial(function, program), architecture, device)


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
