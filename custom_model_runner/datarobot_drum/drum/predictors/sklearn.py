"""scikit-learn estimators, pipelines and transformers."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from datarobot_drum.drum.predictors.base import Predictor, RawPredictions

if TYPE_CHECKING:
    import pandas as pd


class SklearnPredictor(Predictor):
    """Any scikit-learn estimator, and what other libraries derive from one."""

    name: ClassVar[str] = "scikit-learn"
    suffixes: ClassVar[tuple[str, ...]] = (".pkl", ".joblib")
    requirements: ClassVar[tuple[str, ...]] = ("scikit-learn", "scipy", "numpy")
    priority: ClassVar[int] = 60
    modules: ClassVar[tuple[str, ...]] = ("sklearn", "scipy", "numpy", "joblib")

    @classmethod
    def load(cls, path: Path) -> Any:
        """Unpickle the artifact, which runs whatever code it holds: load trusted files only."""
        if path.suffix.lower() == ".joblib":
            import joblib

            return joblib.load(path)
        with path.open("rb") as file:
            try:
                # latin1 reads arrays pickled by Python 2
                return pickle.load(file, encoding="latin1")  # noqa: S301  # the user's own artifact
            except TypeError:
                file.seek(0)
                return pickle.load(file)  # noqa: S301  # the user's own artifact

    @classmethod
    def accepts(cls, model: Any) -> bool:
        """Is it an estimator? Without scikit-learn in memory it cannot be one."""
        base = sys.modules.get("sklearn.base")
        return base is not None and isinstance(model, base.BaseEstimator)

    def predict(self, table: pd.DataFrame) -> RawPredictions:
        """Probabilities for classification, values for all else."""
        self.refuse_text()
        if not self.target.type.is_classification:
            return RawPredictions(self.model.predict(table))
        labels = getattr(self.model, "classes_", None)
        return RawPredictions(
            self.model.predict_proba(table), None if labels is None else list(labels)
        )
