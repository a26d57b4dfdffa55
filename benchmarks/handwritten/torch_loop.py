"""The reference autoencoder trained by a hand-written torch loop.

What is kept: the backward pass written out with `out=` buffers, which saves autograd's graph and
allocations; one flat parameter vector, so that the fused Adam operator gets one tensor; losses
collected as tensors and read once an epoch.

What was tried (ratio of an epoch's time to what is kept; two cores, medians):
`addmm` instead of `mm` and an in-place bias add 1.03-1.17; kernels stored (out, in) 1.0-1.15;
`mul_` with a mask instead of the operator `threshold_backward` 1.1; `sigmoid_backward` written out
1.07-1.12; autograd with gradients accumulated into the flat vector 1.2; `torch.autograd.grad` and
the fused operator on eight tensors 1.25; the same with `F.linear` on (out, in) weights 1.25-1.3;
shuffling a whole epoch first 1.04, at twice the memory.
"""

from __future__ import annotations

import time

import torch

from .common import BETA_1, BETA_2, EPSILON, LEARNING_RATE, epoch_order, main


def views(flat: torch.Tensor, shapes: list[tuple[int, int]]):
    """Return the kernels and biases that lie one after another in a flat tensor."""
    kernels, biases, start = [], [], 0
    for inputs, outputs in shapes:
        stop = start + inputs * outputs
        kernels.append(flat[start:stop].view(inputs, outputs))
        biases.append(flat[stop : stop + outputs])
        start = stop + outputs
    return kernels, biases


def train(rows, weights, *, epochs, batch_size, seed) -> dict:
    """Train with mini-batch Adam on the mean squared error; seconds leave out one warm-up step."""
    begin = time.perf_counter()
    run(rows[:batch_size], weights, epochs=1, batch_size=batch_size, seed=seed)
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    losses, _ = run(rows, weights, epochs=epochs, batch_size=batch_size, seed=seed)
    return {"loss": losses, "seconds": time.perf_counter() - begin, "first_seconds": first}


@torch.no_grad()
def run(rows, weights, *, epochs, batch_size, seed):
    """Return the losses, and the trained kernels and biases."""
    shapes = [kernel.shape for kernel, _ in weights.values()]
    widths = [shapes[0][0], *(outputs for _, outputs in shapes)]
    last = len(shapes) - 1
    size = sum(inputs * outputs + outputs for inputs, outputs in shapes)
    parameters, gradient, moment_1, moment_2 = (torch.zeros(size) for _ in range(4))
    step = torch.zeros(())
    kernels, biases = views(parameters, shapes)
    kernel_gradients, bias_gradients = views(gradient, shapes)
    for (kernel, bias), k, b in zip(weights.values(), kernels, biases, strict=True):
        k.copy_(torch.from_numpy(kernel))
        b.copy_(torch.from_numpy(bias))

    resident = torch.from_numpy(rows)
    count, elements = len(rows), widths[-1]
    lengths = {n for n in (min(batch_size, count), count % batch_size) if n}
    buffers = {n: [[torch.empty(n, w) for w in widths] for _ in range(2)] for n in lengths}
    losses = []
    for epoch in range(epochs):
        squares = []
        for batch in torch.from_numpy(epoch_order(count, epoch, seed)).split(batch_size):
            values, slopes = buffers[len(batch)]
            x = torch.index_select(resident, 0, batch, out=values[0])
            for layer in range(last + 1):
                h = torch.mm(values[layer], kernels[layer], out=values[layer + 1])
                h.add_(biases[layer])
                if layer < last:
                    h.relu_()
            y = h.sigmoid_()
            d = torch.sub(y, x, out=slopes[last + 1])
            flat = d.view(-1)
            squares.append(torch.dot(flat, flat))
            torch.ops.aten.sigmoid_backward.grad_input(d, y, grad_input=d)
            d.mul_(2 / (len(batch) * elements))
            for layer in range(last, -1, -1):
                torch.mm(values[layer].t(), d, out=kernel_gradients[layer])
                torch.sum(d, 0, out=bias_gradients[layer])
                if layer:
                    d = torch.mm(d, kernels[layer].t(), out=slopes[layer])
                    torch.ops.aten.threshold_backward.grad_input(d, values[layer], 0, grad_input=d)
            step += 1
            torch._fused_adam_(
                [parameters], [gradient], [moment_1], [moment_2], [], [step],
                lr=LEARNING_RATE, beta1=BETA_1, beta2=BETA_2, eps=EPSILON,
                weight_decay=0.0, amsgrad=False, maximize=False,
            )  # fmt: skip
        losses.append(float(torch.stack(squares).double().sum()) / count / elements)
    return losses, (kernels, biases)


if __name__ == "__main__":
    main(train, framework="torch", version=torch.__version__)
