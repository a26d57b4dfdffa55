"""Optimiser steps that are recorded once and replayed: on CUDA, as a graph.

A step of a small network is a hundred kernels of a few microseconds each, which Python cannot
launch as fast as a GPU runs them. A graph of all of them is one launch. Nothing may be baked into
it that changes, so all of that stands in tensors which stay where they are: the order of the rows
and their weights for a whole segment, the schedules, a step's noise, and the position in all this.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aeanom.architectures import Architecture
from aeanom.backends.torch.layers import LAYERS
from aeanom.core.batches import MAX_SEGMENT_STEPS, Block, Segment
from aeanom.core.modules import ModuleArchitecture

Function = Callable[[], None]
Recorder = Callable[[Function, torch.device], Function]
"""Returns a function that does the same at every call as the one that it is given."""
TakeStep = Callable[[Tensor, Tensor, Mapping[str, Tensor], Mapping[str, Tensor]], Tensor]
"""Takes one step, given order, row weights, draws, schedules; returns the summed loss."""

RECORDABLE = frozenset(LAYERS)
"""Our own layers: others might look at values, which a recording cannot."""
WARM_UP_CALLS = 3


_CAPTURING = threading.Lock()
"""torch captures one graph at a time in a process."""


def recorder(
    architecture: Architecture, device: torch.device, dtype: torch.dtype
) -> Recorder | None:
    """Return what records the steps of a network; None if they are taken one by one.

    In float64 they are not recorded: the fused operator reads a learning rate on the device as a
    float32, and rounding it would cost the parity with the other backends.
    """
    is_users = isinstance(architecture, ModuleArchitecture) or architecture.kinds - RECORDABLE
    is_recordable = device.type == "cuda" and dtype == torch.float32 and not is_users
    return CudaGraph if is_recordable else None


class CudaGraph:
    """A function without arguments; from the fourth call on, a graph of it is replayed.

    The first calls run it as it is, on another stream: libraries set themselves up then, and
    tensors are made that are used again.
    """

    def __init__(self, function: Function, device: torch.device) -> None:
        self._function = function
        self._device = device
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        """Run the function or its graph."""
        with torch.cuda.device(self._device):
            if self._calls < WARM_UP_CALLS:
                self._warm_up()
                return
            if self._graph is None:
                graph = torch.cuda.CUDAGraph()
                # A stream of this device: torch's own is of the device that captured first.
                stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
                with (
                    _CAPTURING,
                    torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"),
                ):
                    self._function()
                # Not before: a capture may fail.
                self._graph = graph
            self._graph.replay()

    def _warm_up(self) -> None:
        self._calls += 1
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._function()
        torch.cuda.current_stream().wait_stream(stream)


class RecordedSteps:
    """The steps on one placed block, with all that changes between them.

    Parameters
    ----------
    take_step : callable
    placed : Block
        The rows that `take_step` gathers from.
    segment : Segment
        One of those to come: with their batch size, schedules and noise.
    draws : mapping of str to Tensor
        One step's noise, of any values.
    record : callable
    """

    def __init__(
        self,
        take_step: TakeStep,
        placed: Block[Tensor],
        segment: Segment,
        draws: Mapping[str, Tensor],
        record: Recorder,
    ) -> None:
        self.placed = placed
        self.batch = segment.order.shape[1]
        self._take_step = take_step
        size, like = (MAX_SEGMENT_STEPS, self.batch), placed.rows
        self._order = like.new_zeros(size, dtype=torch.int64)
        self._row_weight = like.new_zeros(size)
        self._totals = like.new_zeros(size[0])
        self._schedules = {name: like.new_zeros(size[0]) for name in segment.schedules}
        self._draws = {name: torch.zeros_like(draw) for name, draw in draws.items()}
        self._position = like.new_zeros(1, dtype=torch.int64)
        self._step = record(self._one_step, like.device)

    def fits(self, placed: Block[Tensor], segment: Segment) -> bool:
        """Whether steps of this segment on this block are the recorded ones."""
        return self.placed is placed and self.batch == segment.order.shape[1]

    def run(self, segment: Segment, draw: Callable[[int], Mapping[str, Tensor]]) -> Tensor:
        """Take the steps of a segment; return the weighted sum of all losses.

        `draw` returns the noise of a step of the segment.
        """
        steps = slice(segment.steps)
        _fill(self._order[steps], segment.order)
        _fill(self._row_weight[steps], segment.row_weight)
        for name, values in segment.schedules.items():
            _fill(self._schedules[name][steps], np.ascontiguousarray(values))
        self._position.zero_()
        for step in range(segment.steps):
            for name, drawn in draw(step).items():
                self._draws[name].copy_(drawn)
            self._step()
        return self._totals[steps].sum()

    def _one_step(self) -> None:
        total = self._take_step(
            self._current(self._order),
            self._current(self._row_weight),
            self._draws,
            {name: self._current(values) for name, values in self._schedules.items()},
        )
        self._totals.index_copy_(0, self._position, total.unsqueeze(0))
        self._position.add_(1)

    def _current(self, table: Tensor) -> Tensor:
        return table.index_select(0, self._position).squeeze(0)


def _fill(tensor: Tensor, array: NDArray[Any]) -> None:
    """Copy an array from the host, which does not wait for a GPU."""
    source = torch.from_numpy(array)
    tensor.copy_(source.pin_memory() if tensor.is_cuda else source, non_blocking=True)
