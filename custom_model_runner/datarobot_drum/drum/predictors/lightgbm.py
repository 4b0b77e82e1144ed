"""LightGBM's native boosters; its scikit-learn estimators are scikit-learn's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from datarobot_drum.drum.model_folder import is_lightgbm_text
from datarobot_drum.drum.predictors.base import Predictor, RawPredictions
from datarobot_drum.drum.predictors.objects import is_instance_of

if TYPE_CHECKING:
    import pandas as pd


class LightgbmPredictor(Predictor):
    """A `Booster`, from a pickle or from what `Booster.save_model` wrote."""

    name: ClassVar[str] = "lightgbm"
    suffixes: ClassVar[tuple[str, ...]] = ()
    shared_suffixes: ClassVar[tuple[str, ...]] = (".txt", ".model")
    requirements: ClassVar[tuple[str, ...]] = ("lightgbm",)
    priority: ClassVar[int] = 40
    modules: ClassVar[tuple[str, ...]] = ("lightgbm",)
    extra: ClassVar[str | None] = "lightgbm"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Is it a text file of LightGBM?"""
        return is_lightgbm_text(path)

    @classmethod
    def load(cls, path: Path) -> Any:
        """The booster of a text file."""
        import lightgbm

        return lightgbm.Booster(model_file=path)

    @classmethod
    def accepts(cls, model: Any) -> bool:
        """Is it a booster?"""
        return is_instance_of(model, "lightgbm", "Booster")

    def predict(self, table: pd.DataFrame) -> RawPredictions:
        """What the objective gives, without labels; ValueError for columns in another order."""
        self.refuse_text()
        self._check_columns(table)
        return RawPredictions(self.model.predict(table))

    def _check_columns(self, table: pd.DataFrame) -> None:
        """LightGBM takes columns by place and would score a table in another order as it is."""
        trained = self.model.feature_name()
        if trained == [f"Column_{place}" for place in range(len(trained))]:
            return
        # as it writes names that have white space
        found = ["_".join(str(name).split(" ")) for name in table.columns]
        if found != trained:
            raise ValueError(f"the model was trained on the columns {trained}, not on {found}")
