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
from aeanom.backends.torch.context import TorchContext, Workspace
from aeanom.backends.torch.losses import row_losses
from aeanom.backends.torch.network import draw_noise, step_seed
from aeanom.core.batches import Block, LossSum, Segment
from aeanom.core.layers import Mode
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
        flat = autoencoder.trainable
        self._gradient = torch.zeros_like(flat)
        self._gradients = autoencoder.views(self._gradient, autoencoder.architecture.trainable)
        self._first_moment = torch.zeros_like(flat)
        self._second_moment = torch.zeros_like(flat)
        self._workspace = Workspace(autoencoder.flat)

    def place(self, block: Block[Float]) -> Block[Tensor]:
        """Put a block on the device."""
        return block.map(self.autoencoder.to_device)

    def run_steps(self, placed: Block[Tensor], segment: Segment) -> LossSum:
        """Run the steps one by one; nothing is waited for in between."""
        order = torch.from_numpy(segment.order).to(self.autoencoder.device, torch.int64)
        row_weight = self.autoencoder.to_device(segment.row_weight)
        schedules = {name: values.tolist() for name, values in segment.schedules.items()}
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
                values = {name: each[step] for name, each in schedules.items()}
                batch = self._gather(placed, order[step])
                weight = None if full[step] else row_weight[step]
                context = self._context(
                    "train", values, noise, weight, step=segment.first_step + step
                )
                totals.append(self._backward(batch, divisors[step], context))
                self._step(values["learning_rate"])
                for name, value in context.updates.items():
                    self.autoencoder.parameters[name].copy_(value)
            return LossSum(torch.stack(totals).sum(), segment.row_weight.sum())

    def evaluate(self, placed: Block[Tensor], schedules: Mapping[str, Float]) -> LossSum:
        """Sum the row losses without noise."""
        loss, network, workspace = self.plan.loss, self.autoencoder.network, self._workspace
        chunk = self.autoencoder.chunk_rows()
        with torch.no_grad():
            total = torch.zeros((), dtype=placed.rows.dtype, device=placed.rows.device)
            for start in range(0, placed.n_rows, chunk):
                batch = placed.map(itemgetter(slice(start, start + chunk)))
                context = self._context("evaluate")
                output = network.output(batch.rows, context, raw=loss.takes_raw_output)
                losses, _ = row_losses(loss, output, batch.target, batch.element_weights, workspace)
                total += context.penalised(losses).sum()
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
            values = {name: float(each[0]) for name, each in schedules.items()}
            drawn = self._noise_to_device(noise)
            context = self._context("train", values, drawn, weight, step=self.step)
            total = self._backward(self.place(block), 1.0, context)
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

    def _backward(self, batch: Block[Tensor], divisor: float, context: TorchContext) -> Tensor:
        """Fill the flat gradient with that of the weighted sum over `divisor`; return the sum.

        Without row weights in the context, every row counts 1.
        """
        loss, network, weight = self.plan.loss, self.autoencoder.network, context.row_weight
        output, backward = network.output_with_backward(
            batch.rows, context, raw=loss.takes_raw_output
        )
        losses, delta = row_losses(
            loss,
            output,
            batch.target,
            batch.element_weights,
            context.workspace,
            1 / divisor if weight is None else weight / divisor,
        )
        if context.penalties:
            ones = torch.ones_like(losses) if weight is None else weight
            context.penalty_factor = ones / divisor
        backward(delta, False)
        losses = context.penalised(losses)
        return losses.sum() if weight is None else (losses * weight).sum()

    def _step(self, learning_rate: float) -> None:
        adam, flat, gradient = self.plan.optimizer, self.autoencoder.trainable, self._gradient
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

    def _context(
        self,
        mode: Mode,
        schedules: Mapping[str, float] | None = None,
        noise: Mapping[str, Tensor] | None = None,
        row_weight: Tensor | None = None,
        *,
        step: int = 0,
    ) -> TorchContext:
        return TorchContext(
            mode=mode,
            row_weight=row_weight,
            draws=noise or {},
            schedules=schedules or {},
            n_elements=self.autoencoder.network.n_elements,
            workspace=self._workspace,
            gradients=self._gradients,
            seed=step_seed(self.plan.seed, step),
        )

    def _noise_to_device(self, noise: Mapping[str, Float] | None) -> dict[str, Tensor] | None:
        if noise is None:
            return None
        return {name: self.autoencoder.to_device(draws) for name, draws in noise.items()}

    def _draw_noise(self, step: int, batch: int) -> dict[str, Tensor]:
        autoencoder = self.autoencoder
        return draw_noise(
            autoencoder.architecture,
            self.plan.seed,
            step,
            batch,
            autoencoder.flat.dtype,
            autoencoder.device,
        )
