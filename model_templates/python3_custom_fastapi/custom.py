"""Hooks of the server extension example: a parcel price from weight and distance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd


def load_model(code_dir: str) -> dict[str, float]:
    """The prices of tariff.json."""
    tariff: dict[str, float] = json.loads(Path(code_dir, "tariff.json").read_text())
    return tariff


def score(data: pd.DataFrame, model: dict[str, float], **kwargs: Any) -> pd.DataFrame:
    """The price of each parcel."""
    by_weight = data["weight"] * model["per_kilogram"]
    by_distance = data["distance"] * model["per_kilometre"]
    return pd.DataFrame({"Predictions": model["base"] + by_weight + by_distance})
