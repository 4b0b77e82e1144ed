"""Training a model folder: data in, a folder with the trained model out, checked by predicting."""

from __future__ import annotations

from datarobot_drum.drum.training.job import FitJob
from datarobot_drum.drum.training.train import train

__all__ = ["FitJob", "train"]
