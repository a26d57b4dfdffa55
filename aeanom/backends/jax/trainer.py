"""`JaxTrainer`: a segment of steps is one call of a module-level `jax.jit`.

How the functions below are called is in `aeanom.core.compiled`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import log, prod

import jax
import jax.numpy as jnp

from aeanom.backends.jax.losses import row_losses
from aeanom.backends.jax.network import Noise, Parameters, draw_noise, make_network
from aeanom.core.batches import Block
from aeanom.core.compiled import CompiledTrainer, Moments, Program, gathers_ahead
from aeanom.core.layers import Context

Pass = Context[jax.Array]
Schedules = Mapping[str, jax.Array]
Carry = tuple[Parameters, Moments, jax.Array]


@partial(jax.jit, static_argnums=0, donate_argnums=(1, 2))
def run_steps(
    program: Program,
    parameters: Parameters,
    moments: Moments,
    block: Block[jax.Array],
    order: jax.Array,
    row_weight: jax.Array,
    schedules: Schedules,
    noise: Noise | None,
    seed: jax.Array,
    first_step: jax.Array,
    steps: jax.Array,
) -> tuple[Parameters, Moments, jax.Array]:
    """Take `steps` optimiser steps; return parameters, moments and the summed row losses."""

    def step(index: jax.Array, carry: Carry) -> Carry:
        parameters, moments, total = carry
        weight = row_weight[index]
        now = {name: values[index] for name, values in schedules.items()}
        if noise is not None:
            drawn = {name: draws[index] for name, draws in noise.items()}
        else:
            drawn = draw_noise(
                program.architecture, key, first_step + index, len(weight), weight.dtype
            )
        batch = _gather(block, order[index]) if ordered is None else _gather(ordered, index)
        added, gradients, updates = _sum_and_gradients(
            program, parameters, batch, weight, weight.sum(), now, drawn
        )
        parameters, moments = optimizer_step(
            program, parameters, moments, gradients, now["learning_rate"], first_step + index
        )
        return {**parameters, **updates}, moments, total + added

    ordered = _gather(block, order) if gathers_ahead(block, order) else None
    key = jax.random.key(seed)
    start = (parameters, moments, jnp.zeros((), row_weight.dtype))
    return jax.lax.fori_loop(0, steps, step, start)


@partial(jax.jit, static_argnums=0)
def loss_sum(
    program: Program,
    parameters: Parameters,
    block: Block[jax.Array],
    order: jax.Array,
    row_weight: jax.Array,
    steps: jax.Array,
) -> jax.Array:
    """Sum the weighted row losses over `steps` batches, without noise."""

    def step(index: jax.Array, total: jax.Array) -> jax.Array:
        batch = _gather(block, order[index])
        context: Pass = Context("evaluate", n_elements=_n_elements(program))
        weight = row_weight[index]
        return total + _weighted_sum(program, parameters, batch, weight, context, weight.dtype)

    return jax.lax.fori_loop(0, steps, step, jnp.zeros((), row_weight.dtype))


@partial(jax.jit, static_argnums=0)
def sum_and_gradients(
    program: Program,
    parameters: Parameters,
    block: Block[jax.Array],
    row_weight: jax.Array,
    schedules: Schedules,
    noise: Noise | None,
) -> tuple[jax.Array, Parameters]:
    """Weighted sum of the row losses, and its gradients."""
    one = jnp.ones((), row_weight.dtype)
    total, gradients, _ = _sum_and_gradients(
        program, parameters, block, row_weight, one, schedules, noise or {}
    )
    return total, gradients


def _gather(block: Block[jax.Array], index: jax.Array) -> Block[jax.Array]:
    return block.map(lambda part: part.at[index].get(mode="promise_in_bounds"))


def _n_elements(program: Program) -> int:
    return prod(program.architecture.input_shape)


def _weighted_sum(
    program: Program,
    parameters: Parameters,
    batch: Block[jax.Array],
    row_weight: jax.Array,
    context: Pass,
    dtype: jax.typing.DTypeLike,
) -> jax.Array:
    """Weighted sum of the row losses; the layers compute in `dtype`, the loss in the rows' own."""
    network = make_network(program.architecture, parameters)
    rows = batch.rows.astype(dtype)
    output = network.output(rows, context, raw=program.loss.takes_raw_output)
    output = output.astype(batch.rows.dtype)
    losses = row_losses(program.loss, output, batch.target, batch.element_weights)
    return (context.penalised(losses) * row_weight).sum()


def _sum_and_gradients(
    program: Program,
    parameters: Parameters,
    batch: Block[jax.Array],
    row_weight: jax.Array,
    divisor: jax.Array,
    schedules: Schedules,
    noise: Noise,
) -> tuple[jax.Array, Parameters, Parameters]:
    """Weighted sum of the row losses, the gradients of that sum over `divisor`, new buffers."""

    def divided(trainable: Parameters) -> tuple[jax.Array, tuple[jax.Array, Parameters]]:
        context: Pass = Context("train", row_weight, noise, schedules, _n_elements(program))
        cast = jax.tree.map(lambda array: array.astype(dtype), trainable)
        total = _weighted_sum(program, {**parameters, **cast}, batch, row_weight, context, dtype)
        return total / divisor, (total, context.updates)

    # Gradients are taken through the cast: they are of the weights, in the weights' dtype.
    dtype = program.compute_dtype or row_weight.dtype

    names = [parameter.name for parameter in program.architecture.trainable]
    trainable = {name: parameters[name] for name in names}
    (_, (total, updates)), gradients = jax.value_and_grad(divided, has_aux=True)(trainable)
    return total, gradients, updates


@partial(jax.jit, static_argnums=0, donate_argnums=(1, 2))
def optimizer_step(
    program: Program,
    parameters: Parameters,
    moments: Moments,
    gradients: Parameters,
    learning_rate: jax.Array,
    step: jax.Array,
) -> tuple[Parameters, Moments]:
    """Clip, then take one step of Adam as `aeanom.core.optimizers` states it.

    Buffers stay as they are.
    """
    optimizer = program.optimizer
    if optimizer.clip_norm is not None:
        squares = [jnp.sum(gradient * gradient) for gradient in gradients.values()]
        norm = jnp.sqrt(sum(squares))
        factor = jnp.minimum(optimizer.clip_norm / norm, 1)
        gradients = jax.tree.map(lambda gradient: gradient * factor, gradients)
    beta1, beta2 = optimizer.beta1, optimizer.beta2
    first = {
        name: beta1 * moments.first[name] + (1 - beta1) * gradient
        for name, gradient in gradients.items()
    }
    second = {
        name: beta2 * moments.second[name] + (1 - beta2) * (gradient * gradient)
        for name, gradient in gradients.items()
    }
    # 1 - βᵗ by expm1: in float32 the plain difference, Optax's too, is off by 5e-5 at first.
    count = (step + 1).astype(learning_rate.dtype)
    correction1 = -jnp.expm1(count * log(beta1)) if beta1 else 1.0
    correction2 = -jnp.expm1(count * log(beta2)) if beta2 else 1.0

    def updated(parameter: jax.Array, first: jax.Array, second: jax.Array) -> jax.Array:
        root = jnp.sqrt(second / correction2) + optimizer.epsilon
        update = first / correction1 / root + optimizer.weight_decay * parameter
        return parameter - learning_rate * update

    stepped = {name: updated(parameters[name], first[name], second[name]) for name in gradients}
    return {**parameters, **stepped}, Moments(first, second)


class JaxTrainer(CompiledTrainer):
    """Trains a `JaxAutoencoder`."""

    run_steps_function = staticmethod(run_steps)
    loss_sum_function = staticmethod(loss_sum)
    sum_and_gradients_function = staticmethod(sum_and_gradients)
    optimizer_step_function = staticmethod(optimizer_step)

    @property
    def is_asynchronous(self) -> bool:
        """Calls return before they are done."""
        return True

    def copy(self, parameters: Parameters) -> Parameters:
        """Copy arrays on the device."""
        return {name: array.copy() for name, array in parameters.items()}
