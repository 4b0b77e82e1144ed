"""What a built-in artifact predictor offers; one subclass a framework."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from datarobot_drum.drum.errors import InvalidOutput

if TYPE_CHECKING:
    import pandas as pd

    from datarobot_drum.drum.model_folder import Target


@dataclass(frozen=True)
class RawPredictions:
    """What a framework returned: values, and the labels of its columns if it knows them.

    `is_legacy_bare` marks labels that the reference does not look at: with
    `DRUM_LEGACY_LABEL_ORDER` the values count as if they had none.
    """

    values: Any
    labels: Sequence[object] | None = None
    is_legacy_bare: bool = False


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
    #: predictors are asked in this order, the lowest first
    priority: ClassVar[int] = 100
    #: endings that data files have as well: such a file counts only if `recognises` says so
    shared_suffixes: ClassVar[tuple[str, ...]] = ()
    #: the modules that make it work, and the extra of this distribution that brings them
    modules: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str | None] = None

    def __init__(self, model: Any, target: Target) -> None:
        self.model = model
        self.target = target

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Do the first bytes of a file with a shared ending look like a model's?"""
        return False

    @classmethod
    def can_load(cls, path: Path) -> bool:
        """Is the file, by its name and perhaps its first bytes, one for `load`?"""
        name = path.name.lower()
        return name.endswith(cls.suffixes) or (
            name.endswith(cls.shared_suffixes) and cls.recognises(path)
        )

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

    def refuse_text(self) -> None:
        """InvalidOutput when the target is text, which needs a `score` hook."""
        if self.target.type.is_text:
            raise InvalidOutput(
                f"Target type '{self.target.type.value}' is not supported by "
                f"'{type(self).__name__}' predictor"
            )
