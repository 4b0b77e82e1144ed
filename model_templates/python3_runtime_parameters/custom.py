"""Hooks of the runtime parameter example: prices are computed from parameters, not constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from datarobot_drum import RuntimeParameters


@dataclass(frozen=True)
class Pricing:
    """The parameters of this model, read once and checked in one place."""

    markup: float
    currency: str
    round_up: bool
    user: str | None

    @classmethod
    def from_parameters(cls) -> Pricing:
        """Read the parameters that model-metadata.yaml defines.

        Those with a default always have a value. `has` asks for the others, and even then an
        empty one is None.
        """
        has_credential = RuntimeParameters.has("PRICE_SERVICE")
        credential = RuntimeParameters.get("PRICE_SERVICE") if has_credential else None
        return cls(
            markup=RuntimeParameters.get("MARKUP"),
            currency=RuntimeParameters.get("CURRENCY"),
            round_up=RuntimeParameters.get("ROUND_UP"),
            user=credential["user"] if credential else None,
        )


def load_model(code_dir: str) -> Pricing:
    """The parameters are the model here; yours might open a connection with the credential."""
    return Pricing.from_parameters()


def score(data: pd.DataFrame, model: Pricing, **kwargs: Any) -> pd.DataFrame:
    """The price of each row, with the currency and the user beside it as extra columns."""
    price = data["cost"] * (1 + model.markup)
    return pd.DataFrame(
        {
            "Predictions": np.ceil(price) if model.round_up else price,
            "currency": model.currency,
            "priced_by": model.user or "anonymous",
        }
    )
