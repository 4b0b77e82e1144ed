"""Fit a column encoder on synthetic orders and write it beside this script as encoder.pkl."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder


def make_orders(rows: int = 500, seed: int = 7) -> pd.DataFrame:
    """Orders with a price from 0 to 200, a quantity from 1 to 9 and two categories."""
    rng = np.random.default_rng(seed)
    orders = pd.DataFrame(
        {
            "price": rng.uniform(0, 200, rows).round(2),
            "quantity": rng.integers(1, 10, rows),
            "country": rng.choice(["AT", "DE", "FR", "IT"], rows),
            "channel": rng.choice(["phone", "shop", "web"], rows),
        }
    )
    orders.loc[:1, "price"] = [0.0, 200.0]
    return orders


def main() -> None:
    """Fit and write."""
    encoder = ColumnTransformer(
        [
            ("scaled", MinMaxScaler(), ["price", "quantity"]),
            ("one_hot", OneHotEncoder(handle_unknown="ignore"), ["country", "channel"]),
        ],
        sparse_threshold=1.0,
        verbose_feature_names_out=False,
    ).fit(make_orders())
    Path(__file__).with_name("encoder.pkl").write_bytes(pickle.dumps(encoder))


if __name__ == "__main__":
    main()
