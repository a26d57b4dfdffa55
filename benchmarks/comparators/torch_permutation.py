"""Torch as tutorials train with it on small tables: a random permutation, cut into batches."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from benchmarks.comparators.torch_dataloader import Loaded
from benchmarks.comparators.torch_resident import network
from benchmarks.workloads import LEARNING_RATE, Workload

TITLE = "torch, permuted indices"
KINDS = frozenset({"dense", "convolutional", "lstm", "conv1d"})
DEVICES = frozenset({"cpu", "cuda"})


class Permuted(Loaded):
    """Trains a workload's network, batches indexed out of one tensor."""

    def fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        """Train anew; return the mean loss of each epoch."""
        workload = self.workload
        torch.manual_seed(0)
        self.model = network(workload.architecture(), workload.weights()).to(self.device)
        criterion = nn.MSELoss()
        optimizer = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE)
        resident = torch.from_numpy(rows).to(self.device)
        losses = []
        for _ in range(epochs):
            total = 0.0
            order = torch.randperm(len(rows), device=self.device)
            for start in range(0, len(rows), workload.batch_size):
                x = resident[order[start : start + workload.batch_size]]
                optimizer.zero_grad()
                loss = criterion(self.model(x), x)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(x)
            losses.append(total / len(rows))
        return losses


def contender(workload: Workload, device: str) -> Permuted:
    """Make one for a workload."""
    return Permuted(workload, device)
