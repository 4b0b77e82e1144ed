"""Trains the PyTorch cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tests.frameworks import training
from torch import nn


def fit(model: nn.Module, loss: Any, rows: Any, wanted: Any) -> nn.Module:
    """A few steps; the model is left in training mode, as users save theirs."""
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(20):
        optimiser.zero_grad()
        loss(model(rows), wanted).backward()
        optimiser.step()
    return model


def predict(model: nn.Module, rows: torch.Tensor) -> np.ndarray[Any, Any]:
    """What the library says, without dropout."""
    model.eval()
    with torch.no_grad():
        values: np.ndarray[Any, Any] = model(rows).numpy()
    return values


def tensors(data: training.Data) -> torch.Tensor:
    """The rows, with the same start for all random numbers."""
    torch.manual_seed(1)
    # for so small a network threads cost more than they bring
    torch.set_num_threads(1)
    return torch.tensor(data.table.to_numpy("float32"))


def pickle_binary(folder: Path, data: training.Data) -> pd.DataFrame:
    """A whole model in a pickle, with dropout that must be off: the positive class."""
    rows, wanted = tensors(data), torch.tensor(data.flag).float().unsqueeze(1)
    layers = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1), nn.Sigmoid())
    model = fit(layers, nn.BCELoss(), rows, wanted)
    torch.save(model, folder / "model.pth")
    return training.from_positive(predict(model, rows))


def script_multiclass(folder: Path, data: training.Data) -> pd.DataFrame:
    """TorchScript: no class of the author is needed."""
    rows = tensors(data)
    model = fit(nn.Linear(3, 3), nn.CrossEntropyLoss(), rows, torch.tensor(data.classes))
    script = torch.jit.script(nn.Sequential(model, nn.Softmax(dim=1)))
    torch.jit.save(script, folder / "model.pth")
    return training.by_label(predict(script, rows), ["a", "b", "c"])


def script_regression(folder: Path, data: training.Data) -> pd.DataFrame:
    """TorchScript by tracing."""
    rows, wanted = tensors(data), torch.tensor(data.number).float().unsqueeze(1)
    model = fit(nn.Linear(3, 1), nn.MSELoss(), rows, wanted)
    torch.jit.save(torch.jit.trace(model, rows[:1]), folder / "model.pth")
    return training.one_column(predict(model, rows))


def bare(folder: Path, data: training.Data, width: int) -> Any:
    """A module that gives `width` values a row; they are returned."""
    rows = tensors(data)
    last = nn.Sigmoid() if width == 1 else nn.Softmax(dim=1)
    model = nn.Sequential(nn.Linear(3, width), last)
    torch.save(model, folder / "model.pth")
    return predict(model, rows)


if __name__ == "__main__":
    training.run(
        {
            "pickle_binary": pickle_binary,
            "script_multiclass": script_multiclass,
            "script_regression": script_regression,
        }
    )
