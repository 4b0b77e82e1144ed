"""XGBoost: native boosters, and pipelines that end in one of its estimators."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from datarobot_drum.drum.model_folder import is_xgboost_json
from datarobot_drum.drum.predictors.base import Predictor, RawPredictions
from datarobot_drum.drum.predictors.objects import is_instance_of, last_step

if TYPE_CHECKING:
    import pandas as pd


class XgboostPredictor(Predictor):
    """A `Booster`, or a pipeline that ends in `XGBClassifier` or `XGBRegressor`.

    Pickles are read by the scikit-learn predictor, and so is the estimator alone predicted with.
    """

    name: ClassVar[str] = "xgboost"
    suffixes: ClassVar[tuple[str, ...]] = (".ubj",)
    shared_suffixes: ClassVar[tuple[str, ...]] = (".json",)
    requirements: ClassVar[tuple[str, ...]] = ("xgboost",)
    priority: ClassVar[int] = 20
    modules: ClassVar[tuple[str, ...]] = ("xgboost",)
    extra: ClassVar[str | None] = "xgboost"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Is it a JSON file of XGBoost?"""
        return is_xgboost_json(path)

    @classmethod
    def load(cls, path: Path) -> Any:
        """A `Booster`, also when a scikit-learn estimator wrote the file."""
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(path)
        return booster

    @classmethod
    def accepts(cls, model: Any) -> bool:
        """Is it a booster, or such a pipeline?"""
        last = last_step(model)
        if last is model:
            return is_instance_of(model, "xgboost", "Booster")
        return is_instance_of(last, "xgboost", "XGBClassifier", "XGBRegressor")

    def predict(self, table: pd.DataFrame) -> RawPredictions:
        """A booster gives what its objective does, without labels."""
        self.refuse_text()
        if last_step(self.model) is self.model:
            import xgboost

            return RawPredictions(self.model.predict(xgboost.DMatrix(table)))
        if not self.target.type.is_classification:
            return RawPredictions(self.model.predict(table))
        labels = getattr(self.model, "classes_", None)
        return RawPredictions(
            self.model.predict_proba(table), None if labels is None else list(labels)
        )
