"""Tables as files that a trained model is asked to predict, and samples of their rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.model_folder.column_types import is_sparse
from datarobot_drum.drum.payloads import Payload
from datarobot_drum.drum.training.check_job import DataFile

if TYPE_CHECKING:
    import pandas as pd

MTX = "text/mtx"
CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
SAMPLE_SHARE = 0.1
SAMPLE_MIN = 10
SAMPLE_MAX = 1000
SAMPLE_SEED = 42


def write_table(frame: pd.DataFrame, stem: Path, *, typed: bool = False) -> DataFile:
    """Write a table as Matrix Market if it is sparse, else as CSV, or as Parquet if `typed`."""
    if is_sparse(frame):
        return _write_matrix(frame, stem.with_suffix(".mtx"))
    if typed:
        path = stem.with_suffix(".parquet")
        frame.to_parquet(path, index=False)
        return DataFile(str(path), PARQUET)
    path = stem.with_suffix(".csv")
    frame.to_csv(path, index=False)
    return DataFile(str(path), CSV)


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
        column_names=data.column_names,
        from_request=True,
    )


def sample_of(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[int]]:
    """A tenth of the rows, at least 10 and at most 1000, the same ones in every run."""
    rows = min(max(round(len(frame) * SAMPLE_SHARE), SAMPLE_MIN), SAMPLE_MAX, len(frame))
    sample = frame.reset_index(drop=True).sample(rows, random_state=SAMPLE_SEED)
    return sample, [int(position) for position in sample.index]
