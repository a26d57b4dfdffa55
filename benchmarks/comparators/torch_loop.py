"""Torch on a CPU, written out by hand for dense networks: forward, backward and Adam.

What is kept: the backward pass written out with `out=` buffers, which saves autograd's graph and
allocations; one flat parameter vector, so that the fused Adam operator gets one tensor; losses
collected as tensors and read once an epoch; subnormal numbers taken for zeros, without which the
moments of dead units make ten epochs of `fashion` 1.2 times as long.

What was tried (ratio of an epoch's time to what is kept; two cores, medians):
`addmm` instead of `mm` and an in-place bias add 1.03-1.17; kernels stored (out, in) 1.0-1.15;
`mul_` with a mask instead of the operator `threshold_backward` 1.1; `sigmoid_backward` written out
1.07-1.12; autograd with gradients accumulated into the flat vector 1.2; `torch.autograd.grad` and
the fused operator on eight tensors 1.25; the same with `F.linear` on (out, in) weights 1.25-1.3;
shuffling a whole epoch first 1.04, at twice the memory.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.workloads import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Workload, epoch_order

TITLE = "torch, loop by hand"
KINDS = frozenset({"dense"})
DEVICES = frozenset({"cpu"})
EXPERT = True

SCORED_AT_ONCE = 8192

torch.set_flush_denormal(True)


def views(flat: torch.Tensor, shapes: list[tuple[int, int]]):
    """Return the kernels and biases that lie one after another in a flat tensor."""
    kernels, biases, start = [], [], 0
    for inputs, outputs in shapes:
        stop = start + inputs * outputs
        kernels.append(flat[start:stop].view(inputs, outputs))
        biases.append(flat[stop : stop + outputs])
        start = stop + outputs
    return kernels, biases


class Loop:
    """Trains a workload's dense network."""

    def __init__(self, workload: Workload, device: str) -> None:
        self.workload = workload
        self.sigmoid = workload.architecture().output_activation == "sigmoid"
        self.kernels, self.biases = [], []

    @torch.no_grad()
    def fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        """Train anew; return the mean loss of each epoch."""
        arrays = list(self.workload.weights().values())
        shapes = [kernel.shape for kernel in arrays[::2]]
        widths = [shapes[0][0], *(outputs for _, outputs in shapes)]
        last = len(shapes) - 1
        size = sum(array.size for array in arrays)
        parameters = torch.from_numpy(np.concatenate([array.ravel() for array in arrays]))
        gradient, moment_1, moment_2 = (torch.zeros(size) for _ in range(3))
        step = torch.zeros(())
        self.kernels, self.biases = views(parameters, shapes)
        kernel_gradients, bias_gradients = views(gradient, shapes)

        resident = torch.from_numpy(rows)
        count, elements = len(rows), widths[-1]
        batch_size = min(self.workload.batch_size, count)
        lengths = {n for n in (batch_size, count % batch_size) if n}
        buffers = {n: [[torch.empty(n, w) for w in widths] for _ in range(2)] for n in lengths}
        losses = []
        for epoch in range(epochs):
            squares = []
            for batch in torch.from_numpy(epoch_order(count, epoch)).split(batch_size):
                values, slopes = buffers[len(batch)]
                x = torch.index_select(resident, 0, batch, out=values[0])
                y = self._forward(values)
                d = torch.sub(y, x, out=slopes[last + 1])
                flat = d.view(-1)
                squares.append(torch.dot(flat, flat))
                if self.sigmoid:
                    torch.ops.aten.sigmoid_backward.grad_input(d, y, grad_input=d)
                d.mul_(2 / (len(batch) * elements))
                for layer in range(last, -1, -1):
                    torch.mm(values[layer].t(), d, out=kernel_gradients[layer])
                    torch.sum(d, 0, out=bias_gradients[layer])
                    if layer:
                        d = torch.mm(d, self.kernels[layer].t(), out=slopes[layer])
                        h = values[layer]
                        torch.ops.aten.threshold_backward.grad_input(d, h, 0, grad_input=d)
                step += 1
                torch._fused_adam_(
                    [parameters], [gradient], [moment_1], [moment_2], [], [step],
                    lr=LEARNING_RATE, beta1=BETA_1, beta2=BETA_2, eps=EPSILON,
                    weight_decay=0.0, amsgrad=False, maximize=False,
                )  # fmt: skip
            losses.append(float(torch.stack(squares).double().sum()) / count / elements)
        return losses

    @torch.inference_mode()
    def score(self, rows: np.ndarray) -> np.ndarray:
        """Mean squared error of each row."""
        widths = [rows.shape[1], *(len(bias) for bias in self.biases)]
        whole = [torch.empty(SCORED_AT_ONCE, width) for width in widths]
        errors = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), SCORED_AT_ONCE):
            x = torch.from_numpy(rows[start : start + SCORED_AT_ONCE])
            difference = self._forward([x, *(values[: len(x)] for values in whole[1:])]).sub_(x)
            norms = torch.linalg.vector_norm(difference, dim=1)
            errors[start : start + len(x)] = norms.square_().div_(rows.shape[1]).numpy()
        return errors

    def _forward(self, values: list[torch.Tensor]) -> torch.Tensor:
        """Fill the layers' values, of which the first are the rows; return the last."""
        for layer, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            h = torch.mm(values[layer], kernel, out=values[layer + 1]).add_(bias)
            if layer < len(self.kernels) - 1:
                h.relu_()
        return h.sigmoid_() if self.sigmoid else h


def contender(workload: Workload, device: str) -> Loop:
    """Make one for a workload."""
    return Loop(workload, device)
