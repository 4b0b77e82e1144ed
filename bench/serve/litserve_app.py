"""LitServe's server around a pickled estimator: `python litserve_app.py PORT`."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import litserve
import pandas as pd


class Api(litserve.LitAPI):
    """Predicts a table in pandas' split form."""

    def setup(self, device: str) -> None:
        """Load the estimator in the worker."""
        path = Path(os.environ["MODEL_FILE"])
        self.model = pickle.loads(path.read_bytes())  # noqa: S301 - made by make_assets.py

    def decode_request(self, request) -> pd.DataFrame:
        """The table of a request; an annotation would be taken for the form of the request."""
        split = request["dataframe_split"]
        return pd.DataFrame(split["data"], columns=split["columns"])

    def predict(self, table: pd.DataFrame) -> Any:
        """One number a row."""
        return self.model.predict(table)

    def encode_response(self, output: Any) -> dict[str, list[float]]:
        """What is answered."""
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=1, timeout=120)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
    )
