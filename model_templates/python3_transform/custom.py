"""Transform hook of the transform example; encoder.pkl is loaded without a hook."""

from __future__ import annotations

import pandas as pd
from sklearn.compose import ColumnTransformer

from datarobot_drum import RuntimeParameters


def transform(data: pd.DataFrame, model: ColumnTransformer) -> pd.DataFrame:
    """Encode each row; the answer has as many rows as the input.

    A frame with sparse columns is sent as Matrix Market, any other frame as CSV. A hook with
    a third parameter, `transform(data, model, y)`, is given the uploaded target as well.
    """
    names = model.get_feature_names_out()
    encoded = pd.DataFrame.sparse.from_spmatrix(model.transform(data), columns=names)
    return encoded if wants_sparse() else encoded.sparse.to_dense()


def wants_sparse() -> bool:
    """Is the runtime parameter SPARSE_OUTPUT on?"""
    return RuntimeParameters.has("SPARSE_OUTPUT") and bool(RuntimeParameters.get("SPARSE_OUTPUT"))
