"""PyTorch modules: whole pickles and TorchScript archives."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from datarobot_drum.drum.predictors.arrays import float32_rows, probabilities
from datarobot_drum.drum.predictors.base import Predictor, RawPredictions
from datarobot_drum.drum.predictors.objects import is_instance_of

if TYPE_CHECKING:
    import pandas as pd

WEIGHTS_ONLY = (
    "the file holds weights (a state dict), not a model; save the whole module with torch.save or "
    "torch.jit.save, or build the module and read the weights in a load_model hook"
)


class TorchPredictor(Predictor):
    """An `nn.Module`, which gets all rows as one float32 tensor."""

    name: ClassVar[str] = "torch"
    suffixes: ClassVar[tuple[str, ...]] = (".pth",)
    requirements: ClassVar[tuple[str, ...]] = ("torch",)
    priority: ClassVar[int] = 30
    modules: ClassVar[tuple[str, ...]] = ("torch",)
    extra: ClassVar[str | None] = "torch"

    @classmethod
    def load(cls, path: Path) -> Any:
        """The module, in evaluation mode; a pickle runs whatever code it holds."""
        import torch

        place = None if torch.cuda.is_available() else "cpu"
        if _is_script(path):
            model = torch.jit.load(path, map_location=place)
        else:
            # the user's own artifact: a whole module is a pickle of its class
            model = torch.load(path, map_location=place, weights_only=False)  # noqa: S614
        if isinstance(model, Mapping):
            raise ValueError(WEIGHTS_ONLY)
        if not cls.accepts(model):
            raise ValueError(f"the file holds a {type(model).__name__}, not a torch.nn.Module")
        return model.eval()

    @classmethod
    def accepts(cls, model: Any) -> bool:
        """Is it a module?"""
        return is_instance_of(model, "torch.nn", "Module")

    def predict(self, table: pd.DataFrame) -> RawPredictions:
        """What the module returns, without labels."""
        import torch

        self.refuse_text()
        rows = torch.tensor(float32_rows(table), device=_device(self.model))
        with torch.no_grad():
            values = self.model(rows).cpu().numpy()
        is_classification = self.target.type.is_classification
        return RawPredictions(probabilities(values) if is_classification else values)


def _is_script(path: Path) -> bool:
    """Is there a file of constants, as in TorchScript archives only?"""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _device(model: Any) -> Any:
    parameter = next(iter(model.parameters()), None)
    return None if parameter is None else parameter.device
