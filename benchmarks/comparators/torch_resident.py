"""Torch as experts train with it: `nn` modules, rows on the device, autograd, fused Adam.

Nothing is waited for inside an epoch: batches are gathered on the device by `index_select`, and
losses are summed there. On CUDA a step of a full batch is captured once as a graph and replayed.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from aeanom.architectures import Architecture
from benchmarks.workloads import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Workload, epoch_order

TITLE = "torch, resident tensors, fused Adam"
KINDS = frozenset({"dense", "convolutional", "lstm", "conv1d"})
DEVICES = frozenset({"cpu", "cuda"})
EXPERT = True

SCORED_AT_ONCE = 8192
WARM_UP_STEPS = 3

# On a GPU torch computes convolutions and LSTMs in TF32, which keeps 10 of the 23 bits, unless it
# is told otherwise. Our backend computes them in full: so do all loops in torch.
torch.backends.cudnn.conv.fp32_precision = "ieee"
torch.backends.cudnn.rnn.fp32_precision = "ieee"
# On a processor the moments of dead units turn subnormal, which slows the optimiser down.
torch.set_flush_denormal(True)


class ToChannelsFirst(nn.Module):
    """Channels last to channels first; no copy."""

    def forward(self, x):
        """Swap the axes."""
        return x.movedim(-1, 1)


class ToChannelsLast(nn.Module):
    """Channels first to channels last; no copy."""

    def forward(self, x):
        """Swap the axes."""
        return x.movedim(1, -1)


class LastState(nn.Module):
    """What an `nn.LSTM` returns at the last time."""

    def forward(self, result):
        """Take it out."""
        return result[1][0].squeeze(0)


class AllStates(nn.Module):
    """What an `nn.LSTM` returns at every time."""

    def forward(self, result):
        """Take them out."""
        return result[0]


class RepeatVector(nn.Module):
    """A row at every one of so many times; no copy."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x):
        """Repeat each row."""
        return x.unsqueeze(1).expand(-1, self.times, -1)


def network(architecture: Architecture, weights: dict[str, np.ndarray]) -> nn.Sequential:
    """Return the network as torch's own modules, with these weights."""
    weights = {name: torch.tensor(array) for name, array in weights.items()}
    modules = [module for placed in architecture.layers for module in _modules(placed, weights)]
    return nn.Sequential(*modules)


def _modules(placed, weights) -> list[nn.Module]:
    layer, kind = placed.layer, placed.layer.kind
    parameters = {
        parameter.name.removeprefix(f"{placed.name}."): weights[parameter.name]
        for parameter in placed.parameters
    }
    if kind == "dense":
        linear = nn.utils.skip_init(nn.Linear, placed.input_shape[-1], layer.units)
        _fill(linear, weight=parameters["kernel"].T, bias=parameters["bias"])
        return [linear]
    if kind == "activation":
        known = {"relu": [nn.ReLU()], "sigmoid": [nn.Sigmoid()], "linear": []}
        return known[layer.function]
    if kind in ("conv1d", "conv2d"):
        return _convolution(placed, parameters)
    if kind == "lstm":
        lstm = nn.LSTM(placed.input_shape[-1], layer.units, batch_first=True)
        _fill(
            lstm,
            weight_ih_l0=parameters["kernel"].T,
            weight_hh_l0=parameters["recurrent_kernel"].T,
            bias_ih_l0=parameters["bias"],
            bias_hh_l0=torch.zeros_like(parameters["bias"]),
        )
        # One bias, as everywhere else: the sum of two would move twice as far in each step.
        lstm.bias_hh_l0.requires_grad_(False)
        return [lstm, AllStates() if layer.return_sequences else LastState()]
    if kind == "repeat_vector":
        return [RepeatVector(*placed.output_shape[:1])]
    if kind == "upsample":
        upsample = nn.Upsample(scale_factor=layer.factor, mode="nearest")
        return [ToChannelsFirst(), upsample, ToChannelsLast()]
    if kind == "flatten":
        return [nn.Flatten()]
    if kind == "reshape":
        return [nn.Flatten(), nn.Unflatten(1, placed.output_shape)]
    raise NotImplementedError(kind)


def _convolution(placed, parameters) -> list[nn.Module]:
    """Rows have their channels last, which for 2D is torch's own memory format of that name."""
    layer, flat = placed.layer, placed.layer.kind == "conv1d"
    windows, strides, edges = layer.geometry(placed.input_shape)
    convolution = nn.utils.skip_init(
        nn.Conv1d if flat else nn.Conv2d, placed.input_shape[-1], layer.filters, windows, strides
    )
    kernel = parameters["kernel"].permute(*((2, 1, 0) if flat else (3, 2, 0, 1)))
    _fill(convolution, weight=kernel, bias=parameters["bias"])
    before = []
    if all(left == right for left, right in edges):
        convolution.padding = tuple(left for left, _ in edges)
    else:
        ends = [end for edge in reversed(edges) for end in edge]
        before = [nn.ConstantPad1d(ends, 0.0) if flat else nn.ZeroPad2d(ends)]
    if not flat:
        convolution = convolution.to(memory_format=torch.channels_last)
    return [ToChannelsFirst(), *before, convolution, ToChannelsLast()]


@torch.no_grad()
def _fill(module: nn.Module, **tensors: torch.Tensor) -> None:
    for name, tensor in tensors.items():
        getattr(module, name).copy_(tensor)


class Resident:
    """Trains a workload's network; everything stays on the device."""

    def __init__(self, workload: Workload, device: str) -> None:
        self.workload, self.device = workload, device
        self.model = None

    def fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        """Train anew; return the mean loss of each epoch."""
        workload, device, count = self.workload, self.device, len(rows)
        self.model = network(workload.architecture(), workload.weights()).to(device)
        optimizer = torch.optim.Adam(
            [parameter for parameter in self.model.parameters() if parameter.requires_grad],
            lr=LEARNING_RATE,
            betas=(BETA_1, BETA_2),
            eps=EPSILON,
            fused=True,
            capturable=device != "cpu",
        )
        resident = torch.from_numpy(rows).to(device)
        total = torch.zeros((), device=device)

        def step(batch: torch.Tensor) -> None:
            x = torch.index_select(resident, 0, batch)
            loss = nn.functional.mse_loss(self.model(x), x)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total.add_(loss.detach(), alpha=len(batch))

        size = min(workload.batch_size, count)
        whole_step = step if device == "cpu" else self._captured(step, size, optimizer, total)
        totals = []
        for epoch in range(epochs):
            order = torch.from_numpy(epoch_order(count, epoch)).to(device)
            for batch in order.split(size):
                (whole_step if len(batch) == size else step)(batch)
            totals.append(total.clone())
            total.zero_()
        return [float(each) / count for each in totals]

    def _captured(self, step, size: int, optimizer, total: torch.Tensor):
        """Return a step that replays a graph; what warming up has changed is put back."""
        batch = torch.zeros(size, dtype=torch.int64, device=self.device)
        before = [tensor.clone() for tensor in self.model.state_dict().values()]
        stream = torch.cuda.Stream(self.device)
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_STEPS):
                step(batch)
        torch.cuda.current_stream(self.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step(batch)
        with torch.no_grad():
            for tensor, kept in zip(self.model.state_dict().values(), before, strict=True):
                tensor.copy_(kept)
            for state in optimizer.state.values():
                for tensor in state.values():
                    tensor.zero_()
            total.zero_()

        def replay(indices: torch.Tensor) -> None:
            batch.copy_(indices)
            graph.replay()

        return replay

    @torch.inference_mode()
    def score(self, rows: np.ndarray) -> np.ndarray:
        """Mean squared error of each row."""
        errors = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), SCORED_AT_ONCE):
            part = slice(start, start + SCORED_AT_ONCE)
            x = torch.from_numpy(rows[part]).to(self.device)
            squares = (self.model(x) - x).square_()
            errors[part] = squares.flatten(1).mean(1).cpu().numpy()
        return errors


def contender(workload: Workload, device: str) -> Resident:
    """Make one for a workload."""
    return Resident(workload, device)
