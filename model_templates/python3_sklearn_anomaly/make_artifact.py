"""Train an isolation forest on synthetic pump readings and write it as model.pkl."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest


def make_readings(rows: int = 1500, seed: int = 7) -> pd.DataFrame:
    """Readings of a healthy pump: warmer when it turns faster."""
    rng = np.random.default_rng(seed)
    speed = rng.normal(1450, 30, rows)
    return pd.DataFrame(
        {
            "speed": speed,
            "temperature": 40 + speed / 100 + rng.normal(0, 1.5, rows),
            "vibration": rng.gamma(4, 0.25, rows),
        }
    )


def main() -> None:
    """Train and write."""
    model = IsolationForest(n_estimators=100, random_state=7).fit(make_readings())
    Path(__file__).with_name("model.pkl").write_bytes(pickle.dumps(model))


if __name__ == "__main__":
    main()
