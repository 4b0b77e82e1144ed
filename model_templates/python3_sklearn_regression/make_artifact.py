"""Train a rent model on synthetic flats and write it beside this script as model.pkl."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMERIC = ["area", "rooms", "year_built"]
CATEGORICAL = ["district", "heating"]
DISTRICT_PRICE = {"centre": 19.0, "north": 14.0, "south": 12.5, "harbour": 16.0}


def make_flats(rows: int = 2000, seed: int = 7) -> pd.DataFrame:
    """Flats with their rent; about one cell in twenty of two columns is empty, as in real data."""
    rng = np.random.default_rng(seed)
    flats = pd.DataFrame(
        {
            "area": rng.uniform(20, 150, rows).round(1),
            "rooms": rng.integers(1, 6, rows),
            "year_built": rng.integers(1900, 2025, rows).astype(float),
            "district": rng.choice(list(DISTRICT_PRICE), rows),
            "heating": rng.choice(["gas", "district", "heat pump"], rows),
        }
    )
    price = flats["district"].map(DISTRICT_PRICE) + (flats["year_built"] - 1960) / 40
    flats["rent"] = (flats["area"] * price + rng.normal(0, 40, rows)).round(2)
    for column in ("year_built", "heating"):
        flats.loc[rng.random(rows) < 0.05, column] = np.nan
    return flats


def make_pipeline_for_rents() -> Pipeline:
    """Imputing and encoding inside the pipeline, so that raw rows can be scored."""
    numeric = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categorical = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="ignore"),
    )
    columns = ColumnTransformer([("num", numeric, NUMERIC), ("cat", categorical, CATEGORICAL)])
    return Pipeline([("columns", columns), ("trees", GradientBoostingRegressor(random_state=7))])


def main() -> None:
    """Train and write."""
    flats = make_flats()
    model = make_pipeline_for_rents().fit(flats[NUMERIC + CATEGORICAL], flats["rent"])
    Path(__file__).with_name("model.pkl").write_bytes(pickle.dumps(model))


if __name__ == "__main__":
    main()
