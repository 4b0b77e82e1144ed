"""What a built-in artifact predictor offers; one subclass a framework."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import pandas as pd

    from datarobot_drum.drum.model_folder import Target


@dataclass(frozen=True)
class RawPredictions:
    """What a framework returned: values, and the labels of its columns if it knows them."""

    values: Any
    labels: Sequence[object] | None = None


class Predictor(ABC):
    """Loads the artifacts of one framework and predicts with them.

    Subclasses are found through the entry-point group `datarobot_drum.predictors`; importing one
    must not import its framework, which only `load`, `accepts` and `predict` may do.
    """

    #: as `/info/` tells it
    name: ClassVar[str]
    #: lower-case endings of its artifact files
    suffixes: ClassVar[tuple[str, ...]]
    #: what to install when the framework is missing
    requirements: ClassVar[tuple[str, ...]]

    def __init__(self, model: Any, target: Target) -> None:
        self.model = model
        self.target = target

    @classmethod
    @abstractmethod
    def load(cls, path: Path) -> Any:
        """The model object in the artifact; ImportError when the framework is missing."""

    @classmethod
    @abstractmethod
    def accepts(cls, model: Any) -> bool:
        """Can this framework predict with `model`? Must not import a framework for a no."""

    @abstractmethod
    def predict(self, table: pd.DataFrame) -> RawPredictions:
        """Predict each row; any exception is reported as a failure of the model."""

    def transform(self, table: pd.DataFrame) -> Any:
        """Apply a transformer artifact: a DataFrame, an array or a sparse matrix."""
        return self.model.transform(table)

    def close(self) -> None:  # noqa: B027  # most frameworks hold nothing outside this process
        """Let go of what the model holds outside this process."""
