"""What the backends share that compile: padding to few shapes, and whole segments as one call.

XLA compiles anew for every shape. Rows and steps are therefore padded to buckets and the number
of steps is a run-time value, so that another fit of the same network on nearly as many rows
compiles nothing. What is compiled in, besides the shapes, is the `Program`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from math import prod
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aeanom.architectures import Architecture, Parameter
from aeanom.core.autoencoder import Autoencoder
from aeanom.core.batches import (
    Block,
    LossSum,
    Segment,
    bucket,
    evaluation_batches,
    pad_rows,
    slices,
    widest,
)
from aeanom.core.losses import Loss
from aeanom.core.optimizers import Adam
from aeanom.core.plan import TrainingPlan
from aeanom.core.scaling import Scaler
from aeanom.core.trainer import Trainer, TrainerState
from aeanom.core.weights import Float, Weights, check_weights

__all__ = [
    "CompiledAutoencoder",
    "CompiledTrainer",
    "Moments",
    "Placed",
    "Program",
    "gathers_ahead",
]

MOST_ROWS_A_CALL, ELEMENTS_A_CALL = 16384, 2**20
"""A compiled call takes 0.2 ms to begin: as long as a narrow network's work on 1,000 rows."""

ELEMENTS_SCALED_ON_DEVICE = 2**17
"""Elements of a chunk from which on a compiled call of its own scales it."""

SMALLEST_SCALE = 1e-30
"""XLA takes subnormal numbers for zeros: columns that are narrower are left to the core."""

ELEMENTS_AHEAD = 2**21
"""Most elements of the rows of a segment that are copied in the order of its steps."""

Parameters = dict[str, Any]
"""The framework's arrays by canonical parameter name."""


class CompiledAutoencoder(Autoencoder):
    """An autoencoder whose parameters are the framework's arrays by canonical name.

    A backend writes `parameters` (a property that can be assigned), `to_device`, `context`,
    `native`, `_put`, `_scaled` and `_compute`.
    """

    has_static_shapes: ClassVar[bool] = True

    @property
    @abstractmethod
    def parameters(self) -> Parameters:
        """The network's arrays by canonical name; assigning puts others in."""

    @parameters.setter
    @abstractmethod
    def parameters(self, parameters: Parameters) -> None: ...

    @abstractmethod
    def to_device(self, array: NDArray[Any]) -> Any:
        """Put an array on the device; floats in the network's dtype, whole numbers as they are."""

    @abstractmethod
    def context(self) -> AbstractContextManager[Any]:
        """Return the context in which the framework must be called."""

    def take(self, array: NDArray[Any]) -> Any:
        """Do what `to_device` does with an array that nobody else uses: its memory may be kept."""
        return self.to_device(array)

    def as_argument(self, array: NDArray[Any]) -> Any:
        """Make an array fit to be handed to a compiled function once, typed as in `to_device`."""
        return self.to_device(array)

    def chunks(self, n: int) -> Iterator[slice]:
        """Cut `n` rows into those that are computed at a time: many of them, if they are narrow."""
        fitting = max(ELEMENTS_A_CALL // widest(self.architecture), 1)
        size = self.chunk_rows()
        many = max(min(1 << fitting.bit_length() - 1, MOST_ROWS_A_CALL), size)
        whole = n // many * many
        yield from slices(0, whole, many)
        yield from slices(whole, n, size)

    def _prepare(self, rows: Float, scaler: Scaler | None) -> Any:
        if (
            scaler is not None
            and rows.size >= ELEMENTS_SCALED_ON_DEVICE
            and scaler.scale.min() >= SMALLEST_SCALE
        ):
            return self._scaled(rows, scaler)
        return self._put(super()._prepare(rows, scaler))

    @abstractmethod
    def _put(self, rows: Float) -> Any:
        """Put a chunk of rows on the device; they may be the caller's."""

    @abstractmethod
    def _scaled(self, rows: Float, scaler: Scaler) -> Any:
        """Put a chunk of rows on the device and scale it there, as `Scaler.transform` does."""

    def weights(self) -> Weights:
        """Copy all weights to the host."""
        return self.to_canonical(self.parameters)

    def load_weights(self, weights: Mapping[str, Float]) -> None:
        """Copy weights in."""
        with self.context():
            self.parameters = self.from_canonical(weights)

    def to_canonical(self, parameters: Parameters) -> Weights:
        """Copy arrays to the host, in canonical order: all weights, or those that there are."""
        table = self.architecture.parameters
        return {
            parameter.name: np.array(parameters[parameter.name])
            for parameter in table
            if parameter.name in parameters
        }

    def from_canonical(
        self, weights: Mapping[str, Float], parameters: Sequence[Parameter] = ()
    ) -> Parameters:
        """Copy arrays to the device: all weights, or those of these parameters."""
        checked = check_weights(parameters or self.architecture.parameters, weights, self.dtype)
        # Copies of its own: a framework may share an array's memory, and use it again.
        return {name: self.to_device(array.copy()) for name, array in checked.items()}


class Placed(NamedTuple):
    """A block on the device, its arrays padded from `n_rows` to a bucket."""

    block: Block[Any]
    n_rows: int


def gathers_ahead(block: Block[Any], order: Any) -> bool:
    """Whether a segment's rows are put in order before its steps, not batch by batch.

    XLA takes a gather for as much work as the array is large that it gathers from, and shares it
    among threads: beyond 1 MB it then takes longer than the rest of a tiny network's step. Wide
    rows are a small part of the work of their step, and a large copy.
    """
    elements: int = sum(prod(part.shape[1:]) for part in block if part is not None)
    return bool(prod(order.shape) * elements <= ELEMENTS_AHEAD)


class Program(NamedTuple):
    """All that is compiled in, besides the shapes."""

    architecture: Architecture
    loss: Loss
    optimizer: Adam
    compute_dtype: str | None = None


class Moments(NamedTuple):
    """Adam's moments, by canonical parameter name."""

    first: Parameters
    second: Parameters


class CompiledTrainer(Trainer):
    """A trainer that hands whole segments to compiled functions.

    A backend writes `copy` and names four functions. Each is given the `Program`, then arrays::

        run_steps(program, parameters, moments, block, order, row_weight, schedules,
                  noise, seed, first_step, steps) -> (parameters, moments, total)
        loss_sum(program, parameters, block, order, row_weight, steps) -> total
        sum_and_gradients(program, parameters, block, row_weight, schedules, noise)
            -> (total, gradients)
        optimizer_step(program, parameters, moments, gradients, learning_rate, step)
            -> (parameters, moments)

    `parameters` hold the buffers too; gradients and moments are those of the trainable ones.
    `schedules` hold one value a step in `run_steps`, and scalars in `sum_and_gradients`.
    `run_steps` and `optimizer_step` may reuse the memory of the parameters and moments.
    """

    autoencoder: CompiledAutoencoder
    run_steps_function: ClassVar[Callable[..., Any]]
    loss_sum_function: ClassVar[Callable[..., Any]]
    sum_and_gradients_function: ClassVar[Callable[..., Any]]
    optimizer_step_function: ClassVar[Callable[..., Any]]

    def __init__(self, autoencoder: CompiledAutoencoder, plan: TrainingPlan) -> None:
        super().__init__(autoencoder, plan)
        self._program = Program(
            autoencoder.architecture, plan.loss, plan.optimizer, plan.compute_dtype
        )
        table = autoencoder.architecture.trainable
        zeros = {held.name: np.zeros(held.shape, autoencoder.dtype) for held in table}
        self._moments = self._to_moments(zeros, zeros)

    @abstractmethod
    def copy(self, parameters: Parameters) -> Parameters:
        """Copy arrays on the device."""

    def place(self, block: Block[Float]) -> Placed:
        """Put a block on the device."""
        with self.autoencoder.context():
            return Placed(self._to_device(block, bucket(block.n_rows)), block.n_rows)

    def run_steps(self, placed: Placed, segment: Segment) -> LossSum:
        """Run all steps in one compiled call."""
        autoencoder = self.autoencoder
        size = bucket(segment.steps)
        with autoencoder.context():
            autoencoder.parameters, self._moments, total = type(self).run_steps_function(
                self._program,
                autoencoder.parameters,
                self._moments,
                placed.block,
                self._argument(segment.order, size),
                self._argument(segment.row_weight, size),
                {name: self._argument(values, size) for name, values in segment.schedules.items()},
                segment.noise
                and {name: self._argument(draws, size) for name, draws in segment.noise.items()},
                self._whole_number(self.plan.seed % 2**31),
                self._whole_number(segment.first_step),
                self._whole_number(segment.steps),
            )
        self.step = segment.first_step + segment.steps
        return LossSum(total, segment.row_weight.sum())

    def evaluate(self, placed: Placed, schedules: Mapping[str, Float]) -> LossSum:
        """Sum the row losses without noise, in one compiled call."""
        order, row_weight = evaluation_batches(placed.n_rows, self.autoencoder.chunk_rows())
        size = bucket(len(order))
        with self.autoencoder.context():
            total = type(self).loss_sum_function(
                self._program,
                self.autoencoder.parameters,
                placed.block,
                self._argument(order, size),
                self._argument(row_weight, size),
                self._whole_number(len(order)),
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
        with autoencoder.context():
            total, gradients = type(self).sum_and_gradients_function(
                self._program,
                autoencoder.parameters,
                self._to_device(block, block.n_rows),
                autoencoder.to_device(row_weights),
                {
                    name: autoencoder.to_device(np.asarray(values[0]))
                    for name, values in schedules.items()
                },
                noise and {name: autoencoder.to_device(draws) for name, draws in noise.items()},
            )
        return LossSum(total, row_weights.sum()), autoencoder.to_canonical(gradients)

    def apply(self, gradients: Weights, schedules: Mapping[str, Float]) -> None:
        """Take one step with gradients from the host."""
        autoencoder = self.autoencoder
        with autoencoder.context():
            autoencoder.parameters, self._moments = type(self).optimizer_step_function(
                self._program,
                autoencoder.parameters,
                self._moments,
                autoencoder.from_canonical(gradients, autoencoder.architecture.trainable),
                autoencoder.to_device(np.asarray(schedules["learning_rate"][0])),
                self._whole_number(self.step),
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
        self.step = state.step
        self.autoencoder.load_weights(state.weights)
        self._moments = self._to_moments(state.first_moment, state.second_moment)

    def snapshot(self) -> Parameters:
        """Copy the weights on the device: the next segment reuses the memory of the live ones."""
        with self.autoencoder.context():
            return self.copy(self.autoencoder.parameters)

    def restore(self, token: Parameters) -> None:
        """Put the weights of a snapshot back."""
        with self.autoencoder.context():
            self.autoencoder.parameters = self.copy(token)

    def _to_moments(self, first: Mapping[str, Float], second: Mapping[str, Float]) -> Moments:
        with self.autoencoder.context():
            from_canonical = self.autoencoder.from_canonical
            trainable = self.autoencoder.architecture.trainable
            return Moments(from_canonical(first, trainable), from_canonical(second, trainable))

    def _to_device(self, block: Block[Float], size: int) -> Block[Any]:
        autoencoder = self.autoencoder

        def put(part: Float) -> Any:
            padded = pad_rows(part, size)
            place = autoencoder.to_device if padded is part else autoencoder.take
            return place(padded)

        return block.map(put)

    def _argument(self, array: NDArray[Any], size: int) -> Any:
        return self.autoencoder.as_argument(pad_rows(array, size))

    def _whole_number(self, number: int) -> Any:
        return self.autoencoder.as_argument(np.asarray(number, dtype=np.int32))
