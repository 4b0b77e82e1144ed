"""The interface that a further framework implements."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.model_folder import Target
from datarobot_drum.drum.predictors import Predictor, RawPredictions


class Doubling(Predictor):
    """A framework of one method."""

    name: ClassVar[str] = "doubling"
    suffixes: ClassVar[tuple[str, ...]] = (".dbl",)
    requirements: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def load(cls, path: Path) -> Any:
        return cls

    @classmethod
    def accepts(cls, model: Any) -> bool:
        return hasattr(model, "transform")

    def predict(self, table: pd.DataFrame) -> RawPredictions:
        return RawPredictions(table * 2)


class Negating:
    """A transformer."""

    def transform(self, table: pd.DataFrame) -> pd.DataFrame:
        return -table


def test_predictor_transforms_with_its_model() -> None:
    predictor = Doubling(Negating(), Target(TargetType.TRANSFORM))
    assert predictor.transform(pd.DataFrame({"a": [1]}))["a"].tolist() == [-1]


def test_predictor_without_labels_says_so() -> None:
    predictor = Doubling(Negating(), Target(TargetType.REGRESSION))
    raw = predictor.predict(pd.DataFrame({"a": [1]}))
    assert (raw.values["a"].tolist(), raw.labels) == ([2], None)


def test_predictor_must_be_complete() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Predictor(None, Target(TargetType.REGRESSION))  # type: ignore[abstract]
