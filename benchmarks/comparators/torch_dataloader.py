"""Torch as most people train with it: a DataLoader, autograd, `torch.optim.Adam`, `loss.item()`."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.comparators.torch_resident import network
from benchmarks.workloads import LEARNING_RATE, Workload

TITLE = "torch, DataLoader"
KINDS = frozenset({"dense", "convolutional", "lstm", "conv1d"})
DEVICES = frozenset({"cpu", "cuda"})


class Loaded:
    """Trains a workload's network, batch by batch out of a DataLoader."""

    def __init__(self, workload: Workload, device: str) -> None:
        self.workload, self.device = workload, device
        self.model = None

    def fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        """Train anew; return the mean loss of each epoch."""
        workload = self.workload
        torch.manual_seed(0)
        self.model = network(workload.architecture(), workload.weights()).to(self.device)
        criterion = nn.MSELoss()
        optimizer = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE)
        dataset = TensorDataset(torch.from_numpy(rows))
        loader = DataLoader(dataset, batch_size=workload.batch_size, shuffle=True)
        losses = []
        for _ in range(epochs):
            total = 0.0
            for (batch,) in loader:
                x = batch.to(self.device)
                optimizer.zero_grad()
                loss = criterion(self.model(x), x)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(x)
            losses.append(total / len(rows))
        return losses

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Mean squared error of each row."""
        self.model.eval()
        with torch.no_grad():
            x = torch.from_numpy(rows).to(self.device)
            return ((self.model(x) - x) ** 2).flatten(1).mean(dim=1).cpu().numpy()


def contender(workload: Workload, device: str) -> Loaded:
    """Make one for a workload."""
    return Loaded(workload, device)
