"""`TorchTrainer`: gradients written into one flat tensor, and Adam on it.

The fused operator is called as such: creating a `torch.optim` object imports the compiler stack,
which takes longer than training a small network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter

import torch
from torch import Tensor

from aeanom.backends.torch.autoencoder import TorchAutoencoder
from aeanom.backends.torch.context import TorchContext, Workspace
from aeanom.backends.torch.graph import RecordedSteps, Recorder, recorder
from aeanom.backends.torch.losses import row_losses
from aeanom.backends.torch.mixed_precision import trained_network
from aeanom.backends.torch.network import draw_noise, step_seed
from aeanom.backends.torch.precision import full_precision
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
        self._scratch = torch.empty_like(flat)
        self._flushing = plan.optimizer.flushing(autoencoder.dtype)
        # The steps taken, where the fused operator reads them.
        self._count = flat.new_zeros((), dtype=torch.float32)
        # Adding a number of Python's takes three times as long.
        self._one = torch.ones_like(self._count)
        self._workspace = Workspace(autoencoder.flat)
        self._network = trained_network(autoencoder, self._gradient, plan.compute_dtype)
        self._recorder = recorder(autoencoder.architecture, flat.device, flat.dtype)
        self._recorded: RecordedSteps | None = None

    @property
    def is_asynchronous(self) -> bool:
        """Only a GPU works on by itself."""
        return self.autoencoder.flat.is_cuda

    def place(self, block: Block[Float]) -> Block[Tensor]:
        """Put a block on the device."""
        return block.map(self.autoencoder.to_device)

    def run_steps(self, placed: Block[Tensor], segment: Segment) -> LossSum:
        """Run the steps one by one, or replay a recorded one; nothing is waited for in between."""
        after = self.step + segment.steps
        with torch.no_grad(), full_precision(self.autoencoder.flat.device):
            self._count.fill_(self.step)
            if self._recorder is None:
                total = self._run_one_by_one(placed, segment)
            else:
                total = self._replay(placed, segment, self._recorder)
        self.step = after
        return LossSum(total, segment.row_weight.sum())

    def evaluate(self, placed: Block[Tensor], schedules: Mapping[str, Float]) -> LossSum:
        """Sum the row losses without noise."""
        loss, network, workspace = self.plan.loss, self.autoencoder.network, self._workspace
        chunk = self.autoencoder.chunk_rows()
        with torch.no_grad(), full_precision(self.autoencoder.flat.device):
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
        context = self._context("train")
        context.start(
            weight,
            self._noise_to_device(noise) or {},
            {name: float(each[0]) for name, each in schedules.items()},
            step_seed(self.plan.seed, self.step),
        )
        with torch.no_grad(), full_precision(weight.device):
            total = self._backward(self.place(block), weight, context)
            return LossSum(total, weight.sum()), self.autoencoder.to_canonical(self._gradient)

    def apply(self, gradients: Weights, schedules: Mapping[str, Float]) -> None:
        """Take one step with gradients from the host."""
        with torch.no_grad():
            self._gradient.copy_(self.autoencoder.from_canonical(gradients))
            self._count.fill_(self.step)
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

    def _run_one_by_one(self, placed: Block[Tensor], segment: Segment) -> Tensor:
        """Return the weighted sum of the losses of a segment's steps."""
        device, seed = self.autoencoder.device, self.plan.seed
        # Cut up beforehand: to index a tensor takes as long as a small product.
        order = torch.from_numpy(segment.order).to(device, torch.int64).unbind()
        weights = self.autoencoder.to_device(segment.row_weight).unbind()
        schedules = {name: values.tolist() for name, values in segment.schedules.items()}
        draw = self._draws(segment)
        context = self._context("train")
        losses = []
        for step, count in enumerate(segment.row_counts()):
            rows, used = order[step], slice(count)
            if count != len(rows):
                rows = rows[used]
            context.start(
                weights[step] if count is None else None,
                {name: draws[used] for name, draws in draw(step).items()},
                {name: values[step] for name, values in schedules.items()},
                step_seed(seed, segment.first_step + step),
            )
            losses.append(self._take_step(placed, rows, context))
        return torch.stack(losses).sum()

    def _replay(self, placed: Block[Tensor], segment: Segment, recorder: Recorder) -> Tensor:
        """Do the same with recorded steps; whatever changes between them is in tensors."""
        draw = self._draws(segment)
        if self._recorded is None or not self._recorded.fits(placed, segment):
            context = self._context("train")

            def take_step(
                order: Tensor,
                row_weight: Tensor,
                draws: Mapping[str, Tensor],
                schedules: Mapping[str, Tensor],
            ) -> Tensor:
                context.start(row_weight, draws, schedules, seed=0)
                return self._take_step(placed, order, context)

            self._recorded = RecordedSteps(take_step, placed, segment, draw(0), recorder)
        return self._recorded.run(segment, draw)

    def _take_step(self, placed: Block[Tensor], order: Tensor, context: TorchContext) -> Tensor:
        """Take one optimiser step on the rows of that order; return the weighted sum of losses."""
        weight = context.row_weight
        factor = 1 / order.shape[0] if weight is None else weight / weight.sum()
        total = self._backward(self._gather(placed, order), factor, context)
        self._step(context.schedules["learning_rate"])
        for name, value in context.updates.items():
            self.autoencoder.parameters[name].copy_(value)
        return total

    def _gather(self, placed: Block[Tensor], order: Tensor) -> Block[Tensor]:
        """Gather the rows of one batch into the workspace."""
        names = iter(Block._fields)

        def take(part: Tensor) -> Tensor:
            out = self._workspace.tensor(next(names), (order.shape[0], *part.shape[1:]))
            return torch.index_select(part, 0, order, out=out)

        return placed.map(take)

    def _backward(
        self, batch: Block[Tensor], factor: Tensor | float, context: TorchContext
    ) -> Tensor:
        """Fill the flat gradient; return the weighted sum of the row losses.

        The gradient is that of a sum in which each row has `factor`, a number where all are alike.
        """
        loss, weight = self.plan.loss, context.row_weight
        output, backward = self._network.output_with_backward(
            batch.rows, context, raw=loss.takes_raw_output
        )
        summed = weight is None and not context.penalties
        losses, delta = row_losses(
            loss, output, batch.target, batch.element_weights, self._workspace, factor, summed
        )
        if context.penalties:
            context.penalty_factor = torch.ones_like(losses) * factor
        backward(delta, False)
        losses = context.penalised(losses)
        if weight is not None:
            losses = losses * weight
        return losses if summed else losses.sum()

    def _step(self, learning_rate: float | Tensor) -> None:
        """Adam as `aeanom.core.optimizers` states it; recorded steps read the rate in a tensor."""
        adam, flat, gradient = self.plan.optimizer, self.autoencoder.trainable, self._gradient
        first, second = self._first_moment, self._second_moment
        if adam.clip_norm is not None:
            norm = torch.linalg.vector_norm(gradient)
            gradient.mul_((adam.clip_norm / norm).clamp(max=1.0))
        self.step += 1
        if flat.numel() <= SMALL_NETWORK and isinstance(learning_rate, float):
            if adam.weight_decay:
                flat.mul_(1 - learning_rate * adam.weight_decay)
            first.lerp_(gradient, 1 - adam.beta1)
            second.mul_(adam.beta2).addcmul_(gradient, gradient, value=1 - adam.beta2)
            # The second moment's correction, taken out of the root.
            root = (1 - adam.beta2**self.step) ** 0.5
            rate = learning_rate * root / (1 - adam.beta1**self.step)
            divisor = torch.sqrt(second, out=self._scratch).add_(adam.epsilon * root)
            flat.addcdiv_(first, divisor, value=-rate)
        else:
            self._count.add_(self._one)
            torch._fused_adamw_(
                [flat],
                [gradient],
                [first],
                [second],
                [],
                [self._count],
                lr=learning_rate,
                beta1=adam.beta1,
                beta2=adam.beta2,
                weight_decay=adam.weight_decay,
                eps=adam.epsilon,
                amsgrad=False,
                maximize=False,
            )
        # Not in recorded steps: to a GPU all numbers are alike.
        if isinstance(learning_rate, float) and self.step % self._flushing.every == 0:
            torch.hardshrink(first, self._flushing.first, out=first)
            torch.hardshrink(second, self._flushing.second, out=second)

    def _context(self, mode: Mode) -> TorchContext:
        return TorchContext(
            mode=mode,
            n_elements=self.autoencoder.network.n_elements,
            workspace=self._workspace,
            gradients=self._gradients,
        )

    def _noise_to_device(self, noise: Mapping[str, Float] | None) -> dict[str, Tensor] | None:
        if noise is None:
            return None
        return {name: self.autoencoder.to_device(draws) for name, draws in noise.items()}

    def _draws(self, segment: Segment) -> Callable[[int], Mapping[str, Tensor]]:
        """Return what returns the noise of a segment's steps: what came with it, or our own."""
        shared = self._noise_to_device(segment.noise)
        if shared is not None:
            return lambda step: {name: draws[step] for name, draws in shared.items()}
        architecture, flat = self.autoencoder.architecture, self.autoencoder.flat
        batch, device = segment.order.shape[1], self.autoencoder.device
        return lambda step: draw_noise(
            architecture, self.plan.seed, segment.first_step + step, batch, flat.dtype, device
        )
