"""Tables as files that a trained model is asked to predict, and samples of their rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.model_folder.column_types import is_sparse
from datarobot_drum.drum.payloads import Payload
from datarobot_drum.drum.training.check_job import DataFile

if TYPE_CHECKING:
    import pandas as pd

MTX = "text/mtx"
CSV = "text/csv"
JSON = "application/json"
PARQUET = "application/vnd.apache.parquet"
SAMPLE_SHARE = 0.1
SAMPLE_MIN = 10
SAMPLE_MAX = 1000
SAMPLE_SEED = 42


def write_table(frame: pd.DataFrame, stem: Path, like: str = CSV) -> DataFile:
    """Write a table that was read from the media type `like`, so that its types come back.

    Sparse tables become Matrix Market, JSON stays JSON, other forms with types become Parquet.
    """
    if is_sparse(frame):
        return _write_matrix(frame, stem.with_suffix(".mtx"))
    if like in (CSV, MTX):
        path = stem.with_suffix(".csv")
        frame.to_csv(path, index=False)
        return DataFile(str(path), CSV)
    if like == JSON:
        return _write_json(frame, stem.with_suffix(".json"))
    path = stem.with_suffix(".parquet")
    frame.to_parquet(path, index=False)
    return DataFile(str(path), PARQUET)


def _write_json(frame: pd.DataFrame, path: Path) -> DataFile:
    # to_json of pandas cuts numbers to 15 digits
    values = frame.astype(object).where(frame.notna(), None)
    table = {"columns": list(frame.columns), "data": values.to_numpy().tolist()}
    path.write_text(json.dumps(table), encoding="utf-8")
    return DataFile(str(path), JSON)


def _write_matrix(frame: pd.DataFrame, path: Path) -> DataFile:
    from scipy.io import mmwrite

    sparse: Any = frame.sparse
    mmwrite(str(path), sparse.to_coo())
    return DataFile(str(path), MTX, tuple(str(name) for name in frame.columns))


def payload_of(data: DataFile) -> Payload:
    """The table as a request would bring it."""
    return Payload(
        Path(data.path).read_bytes(),
        media_type=data.media_type,
        parameters={"orient": "split"} if data.media_type == JSON else {},
        column_names=data.column_names,
        from_request=True,
    )


def sample_of(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[int]]:
    """A tenth of the rows, at least 10 and at most 1000, the same ones in every run."""
    rows = min(max(round(len(frame) * SAMPLE_SHARE), SAMPLE_MIN), SAMPLE_MAX, len(frame))
    sample = frame.reset_index(drop=True).sample(rows, random_state=SAMPLE_SEED)
    return sample, [int(position) for position in sample.index]
