"""skops files: scikit-learn models in a format that runs no code of strangers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from datarobot_drum.drum.predictors.sklearn import SklearnPredictor


class SkopsPredictor(SklearnPredictor):
    """Reads `.skops`; what was read is predicted with by the scikit-learn predictor."""

    suffixes: ClassVar[tuple[str, ...]] = (".skops",)
    requirements: ClassVar[tuple[str, ...]] = ("skops", "scikit-learn")
    priority: ClassVar[int] = 80
    modules: ClassVar[tuple[str, ...]] = ("skops",)
    extra: ClassVar[str | None] = "skops"

    @classmethod
    def load(cls, path: Path) -> Any:
        """The model, unless it has types that skops does not trust: ValueError names them."""
        import skops.io

        unknown = skops.io.get_untrusted_types(file=path)
        if unknown:
            raise ValueError(
                f"the file holds types that are not trusted: {unknown}; if you trust them, load "
                "it in a load_model hook with skops.io.load(path, trusted=[...])"
            )
        return skops.io.load(path)

    @classmethod
    def accepts(cls, model: Any) -> bool:
        """No: the scikit-learn predictor takes the objects."""
        return False
