"""`TorchTrainer`: gradients written into one flat tensor, and Adam on it.

The fused operator is called as such: creating a `torch.optim` object imports the compiler stack,
which takes longer than training a small network.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter

import torch
from torch import Tensor

from aeanom.backends.torch.autoencoder import TorchAutoencoder
from aeanom.backends.torch.layers import Noise, Workspace, draw_noise
from aeanom.backends.torch.losses import row_losses
from aeanom.core.batches import Block, LossSum, Segment, evaluation_slices
from aeanom.core.plan import TrainingPlan
from aeanom.core.trainer import Trainer, TrainerState
from aeanom.core.weights import Float, Weights

SMALL_NETWORK = 2**15
"""Parameters up to which Adam is done by plain operations.

The fused operator wakes every thread even for ten numbers; the plain ones do not below this size
(PyTorch's own grain), and on a busy machine waiting for a thread costs more than the step.
"""


class TorchTrainer(Trainer):
    """Trains a `TorchAutoencoder`."""

    autoencoder: TorchAutoencoder

    def __init__(self, autoencoder: TorchAutoencoder, plan: TrainingPlan) -> None:
        super().__init__(autoencoder, plan)
        self._gradient = torch.zeros_like(autoencoder.flat)
        self._gradients = autoencoder.views(self._gradient)
        self._first_moment = torch.zeros_like(autoencoder.flat)
        self._second_moment = torch.zeros_like(autoencoder.flat)
        self._workspace = Workspace(autoencoder.flat)

    def place(self, block: Block[Float]) -> Block[Tensor]:
        """Put a block on the device."""
        return block.map(self.autoencoder.to_device)

    def run_steps(self, placed: Block[Tensor], segment: Segment) -> LossSum:
        """Run the steps one by one; nothing is waited for in between."""
        order = torch.from_numpy(segment.order).to(self.autoencoder.device, torch.int64)
        row_weight = self.autoencoder.to_device(segment.row_weight)
        learning_rates = segment.schedules["learning_rate"].tolist()
        divisors = segment.row_weight.sum(axis=1).tolist()
        full = (segment.row_weight == 1).all(axis=1).tolist()
        shared = self._noise_to_device(segment.noise)
        totals = []
        with torch.no_grad():
            for step in range(segment.steps):
                if shared is None:
                    noise = self._draw_noise(segment.first_step + step, order.shape[1])
                else:
                    noise = {name: draws[step] for name, draws in shared.items()}
                batch = self._gather(placed, order[step])
                weight = 1.0 if full[step] else row_weight[step]
                totals.append(self._backward(batch, weight, divisors[step], noise))
                self._step(learning_rates[step])
            return LossSum(torch.stack(totals).sum(), segment.row_weight.sum())

    def evaluate(self, placed: Block[Tensor], schedules: Mapping[str, Float]) -> LossSum:
        """Sum the row losses without noise."""
        loss, network, workspace = self.plan.loss, self.autoencoder.network, self._workspace
        with torch.no_grad():
            total = torch.zeros((), dtype=placed.rows.dtype, device=placed.rows.device)
            for rows in evaluation_slices(placed.n_rows):
                batch = placed.map(itemgetter(rows))
                output = network.output(batch.rows, logits=loss.from_logits)
                losses, _ = row_losses(loss, output, batch.target, batch.element_weights, workspace)
                total += losses.sum()
        return LossSum(total, placed.n_rows)

    def gradients(
        self,
        block: Block[Float],
        row_weights: Float,
        schedules: Mapping[str, Float],
        noise: Mapping[str, Float] | None = None,
    ) -> tuple[LossSum, Weights]:
        """Gradients of the weighted sum of row losses, on the host."""
        weight = self.autoencoder.to_device(row_weights)
        with torch.no_grad():
            drawn = self._noise_to_device(noise)
            total = self._backward(self.place(block), weight, 1.0, drawn)
            return LossSum(total, weight.sum()), self.autoencoder.to_canonical(self._gradient)

    def apply(self, gradients: Weights, schedules: Mapping[str, Float]) -> None:
        """Take one step with gradients from the host."""
        with torch.no_grad():
            self._gradient.copy_(self.autoencoder.from_canonical(gradients))
            self._step(float(schedules["learning_rate"][0]))

    def state(self) -> TrainerState:
        """Copy weights, moments and step to the host."""
        to_canonical = self.autoencoder.to_canonical
        return TrainerState(
            step=self.step,
            weights=self.autoencoder.weights(),
            first_moment=to_canonical(self._first_moment),
            second_moment=to_canonical(self._second_moment),
        )

    def load_state(self, state: TrainerState) -> None:
        """Copy a state in."""
        from_canonical = self.autoencoder.from_canonical
        self.step = state.step
        self.autoencoder.load_weights(state.weights)
        self._first_moment.copy_(from_canonical(state.first_moment))
        self._second_moment.copy_(from_canonical(state.second_moment))

    def snapshot(self) -> Tensor:
        """Copy the weights on the device."""
        return self.autoencoder.flat.clone()

    def restore(self, token: Tensor) -> None:
        """Put the weights of a snapshot back."""
        self.autoencoder.flat.copy_(token)

    def _gather(self, placed: Block[Tensor], index: Tensor) -> Block[Tensor]:
        """Gather the rows of one batch into the workspace."""
        names = iter(Block._fields)

        def take(part: Tensor) -> Tensor:
            shape = (len(index), *part.shape[1:])
            out = self._workspace.tensor(f"batch.{next(names)}", shape)
            return torch.index_select(part, 0, index, out=out)

        return placed.map(take)

    def _backward(
        self, batch: Block[Tensor], row_weight: Tensor | float, divisor: float, noise: Noise | None
    ) -> Tensor:
        """Fill the flat gradient with that of the weighted sum over `divisor`; return the sum.

        `row_weight` may be a number where all rows have the same.
        """
        loss, network, workspace = self.plan.loss, self.autoencoder.network, self._workspace
        logits = loss.from_logits
        output = network.output_saving(batch.rows, workspace, logits=logits, noise=noise)
        losses, delta = row_losses(
            loss, output, batch.target, batch.element_weights, workspace, row_weight / divisor
        )
        network.backward(delta, self._gradients, workspace, logits=logits)
        return (losses * row_weight).sum()

    def _step(self, learning_rate: float) -> None:
        adam, flat, gradient = self.plan.optimizer, self.autoencoder.flat, self._gradient
        first, second = self._first_moment, self._second_moment
        if adam.clip_norm is not None:
            norm = torch.linalg.vector_norm(gradient)
            gradient.mul_((adam.clip_norm / norm).clamp(max=1.0))
        self.step += 1
        if flat.numel() <= SMALL_NETWORK:
            flat.mul_(1 - learning_rate * adam.weight_decay)
            first.lerp_(gradient, 1 - adam.beta1)
            second.mul_(adam.beta2).addcmul_(gradient, gradient, value=1 - adam.beta2)
            root = second.sqrt().mul_((1 - adam.beta2**self.step) ** -0.5).add_(adam.epsilon)
            flat.addcdiv_(first, root, value=-learning_rate / (1 - adam.beta1**self.step))
            return
        torch._fused_adamw_(
            [flat],
            [gradient],
            [first],
            [second],
            [],
            [torch.tensor(float(self.step), device=self.autoencoder.device)],
            lr=learning_rate,
            beta1=adam.beta1,
            beta2=adam.beta2,
            weight_decay=adam.weight_decay,
            eps=adam.epsilon,
            amsgrad=False,
            maximize=False,
        )

    def _noise_to_device(self, noise: Mapping[str, Float] | None) -> Noise | None:
        if noise is None:
            return None
        return {name: self.autoencoder.to_device(draws) for name, draws in noise.items()}

    def _draw_noise(self, step: int, batch: int) -> Noise:
        autoencoder = self.autoencoder
        return draw_noise(
            autoencoder.architecture,
            self.plan.seed,
            step,
            batch,
            autoencoder.flat.dtype,
            autoencoder.device,
        )
