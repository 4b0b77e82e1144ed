"""CatBoost models, from its own format or from a pickle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.predictors.base import Predictor, RawPredictions
from datarobot_drum.drum.predictors.objects import is_instance_of

if TYPE_CHECKING:
    import pandas as pd

#: losses whose models predict a logarithm, as CatBoostRegressor knows and CatBoost does not
LOGARITHMIC_LOSSES = ("Poisson", "Tweedie")


class CatboostPredictor(Predictor):
    """`CatBoost`, `CatBoostClassifier` and `CatBoostRegressor`."""

    name: ClassVar[str] = "catboost"
    suffixes: ClassVar[tuple[str, ...]] = (".cbm",)
    requirements: ClassVar[tuple[str, ...]] = ("catboost",)
    priority: ClassVar[int] = 50
    modules: ClassVar[tuple[str, ...]] = ("catboost",)
    extra: ClassVar[str | None] = "catboost"

    @classmethod
    def load(cls, path: Path) -> Any:
        """A `CatBoost` whatever class wrote the file: the file does not tell."""
        import catboost

        model = catboost.CatBoost()
        model.load_model(str(path))
        return model

    @classmethod
    def accepts(cls, model: Any) -> bool:
        """Is it a model of CatBoost?"""
        return is_instance_of(model, "catboost", "CatBoost")

    def predict(self, table: pd.DataFrame) -> RawPredictions:
        """Probabilities with the labels it was trained on, or numbers."""
        self.refuse_text()
        if not self.target.type.is_classification:
            return RawPredictions(self._numbers(table))
        import catboost

        values = catboost.CatBoost.predict(self.model, table, prediction_type="Probability")
        # a multilabel model numbers its labels
        is_numbered = self.target.type is TargetType.MULTILABEL
        labels = None if is_numbered else list(self.model.classes_) or None
        return RawPredictions(values, labels)

    def _numbers(self, table: pd.DataFrame) -> Any:
        import catboost

        loss = str(self.model.get_all_params().get("loss_function", ""))
        if type(self.model) is catboost.CatBoost and loss.startswith(LOGARITHMIC_LOSSES):
            return self.model.predict(table, prediction_type="Exponent")
        return self.model.predict(table)
