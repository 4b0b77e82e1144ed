"""Training data: features, target and row weights from the files of a command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.payloads import Payload, column_names, media_type_for_file, read_table
from datarobot_drum.drum.training.job import FitJob

if TYPE_CHECKING:
    import pandas as pd

#: The row sample of `--num-rows` is the same in every run.
SAMPLE_SEED = 1


@dataclass(frozen=True)
class TrainingData:
    """Features without target and weights; all three have the same rows."""

    features: pd.DataFrame
    target: pd.Series[Any] | None = None
    weights: pd.Series[Any] | None = None

    def sampled(self, rows: int | None) -> TrainingData:
        """So many random rows, the same in every run; all of them for None."""
        if rows is None:
            return self
        if rows > len(self.features):
            raise DrumError(
                f"Requested number of rows greater than data length {rows} > {len(self.features)}"
            )
        features = self.features.sample(rows, random_state=SAMPLE_SEED)
        return TrainingData(
            features,
            None if self.target is None else self.target.loc[features.index],
            None if self.weights is None else self.weights.loc[features.index],
        )


def read_training_data(job: FitJob) -> TrainingData:
    """Read what the command line names; DrumError where columns are missing or rows differ."""
    features = _read(job.input, job.sparse_column_file)
    if not len(features):
        raise DrumError("the training data has no rows; give a file with at least one")
    target, weights = _column(features, job.target), _column(features, job.row_weights)
    taken = [name for name in (job.target, job.row_weights) if name is not None]
    if len(set(taken)) < len(taken):
        raise DrumError(f"column {taken[0]!r} cannot be both target and row weights")
    features = features.drop(columns=taken)
    if job.target_csv is not None:
        target = _first_column(job.target_csv, "--target-csv", len(features))
    if job.row_weights_csv is not None:
        weights = _first_column(job.row_weights_csv, "--row-weights-csv", len(features))
    return TrainingData(features, target, weights)


def _read(path: str, names_file: str | None = None) -> pd.DataFrame:
    media_type, parameters = media_type_for_file(path)
    names = None if names_file is None else column_names(Path(names_file).read_bytes())
    with open(path, "rb") as file:
        payload = Payload(
            file if file.seekable() else file.read(),
            media_type=media_type,
            parameters=parameters,
            column_names=names,
        )
        # a file of Parquet may bring an index, with which the parts would not be matched by row
        return read_table(payload).reset_index(drop=True)


def _column(frame: pd.DataFrame, name: str | None) -> pd.Series[Any] | None:
    if name is None:
        return None
    if name not in frame.columns:
        raise DrumError(
            f"The column '{name}' does not exist in your dataframe. "
            f"The columns in your dataframe are these: {[str(column) for column in frame.columns]}"
        )
    if (count := list(frame.columns).count(name)) > 1:
        raise DrumError(f"the data have {count} columns {name!r}; give a file of its own instead")
    return _dense(frame[name])


def _dense(column: Any) -> pd.Series[Any]:
    # scikit-learn takes a sparse target for a matrix
    dense: pd.Series[Any] = column.sparse.to_dense() if hasattr(column, "sparse") else column
    return dense


def _first_column(path: str, option: str, rows: int) -> pd.Series[Any]:
    frame = _read(path)
    if len(frame) != rows:
        raise DrumError(
            f"the file of {option} has {len(frame)} rows and the training data has {rows}; "
            "give one value for each row, below a header"
        )
    return _dense(frame.iloc[:, 0])
