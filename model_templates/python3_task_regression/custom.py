"""A class task: ridge regression that keeps itself in one artifact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from datarobot_drum.custom_task_interfaces import RegressionEstimatorInterface


class CustomTask(RegressionEstimatorInterface):
    """Made without arguments, trained by `fit`, then pickled; `predict` runs on the loaded one."""

    def fit(
        self,
        X: pd.DataFrame,
        y: pd.Series,
        row_weights: pd.Series | None = None,
        parameters: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Weighted least squares with a penalty; what is learned becomes attributes."""
        weights = np.ones(len(X)) if row_weights is None else row_weights.to_numpy(float)
        self.columns = list(X.columns)
        table = np.column_stack([np.ones(len(X)), X.to_numpy(float)])
        penalty = np.diag([0.0] + [float((parameters or {})["penalty"])] * len(self.columns))
        left = table.T @ (table * weights[:, None]) + penalty
        self.coefficients = np.linalg.solve(left, table.T @ (weights * y.to_numpy(float)))

    def predict(self, X: pd.DataFrame, **kwargs: Any) -> pd.DataFrame:
        """One number for each row; columns may come in another order than in training."""
        table = np.column_stack([np.ones(len(X)), X[self.columns].to_numpy(float)])
        return pd.DataFrame({"Predictions": table @ self.coefficients})
