"""Models: hooks, artifacts, or both, behind one interface."""

from __future__ import annotations

from datarobot_drum.drum.predictors.base import Predictor, RawPredictions
from datarobot_drum.drum.predictors.hooked import Model
from datarobot_drum.drum.predictors.load import load_model

__all__ = ["Model", "Predictor", "RawPredictions", "load_model"]
