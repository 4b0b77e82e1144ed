"""Models: hooks, artifacts, or both, behind one interface."""

from __future__ import annotations

from datarobot_drum.drum.predictors.base import Predictor, RawPredictions
from datarobot_drum.drum.predictors.load import load_model
from datarobot_drum.drum.predictors.model import Model

__all__ = ["Model", "Predictor", "RawPredictions", "load_model"]
