"""Train a tumour classifier with PyTorch and write it as model.pth."""

from __future__ import annotations

from pathlib import Path

import torch
from sklearn.datasets import load_breast_cancer
from torch import nn

FEATURES = ["mean radius", "mean texture", "mean smoothness", "mean concavity", "mean symmetry"]


def main() -> None:
    """Train a network whose one output is the probability of malignant, and write it whole."""
    torch.manual_seed(7)
    # for so small a network threads cost more than they bring
    torch.set_num_threads(1)
    data = load_breast_cancer(as_frame=True)
    rows = torch.tensor(data.data[FEATURES].to_numpy("float32"))
    malignant = torch.tensor((data.target == 0).to_numpy("float32")).unsqueeze(1)
    model = nn.Sequential(nn.BatchNorm1d(len(FEATURES)), nn.Linear(len(FEATURES), 1), nn.Sigmoid())
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    loss = nn.BCELoss()
    for _ in range(300):
        optimiser.zero_grad()
        loss(model(rows), malignant).backward()
        optimiser.step()
    torch.save(model, Path(__file__).with_name("model.pth"))


if __name__ == "__main__":
    main()
