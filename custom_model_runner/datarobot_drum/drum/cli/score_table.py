"""Scoring a table: whole or in chunks, to a file or to stdout, with a progress bar."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

from datarobot_drum.drum.cli.output import output_file
from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import InvalidOutput
from datarobot_drum.drum.platform_services.reporting import NO_REPORTS, Reports

if TYPE_CHECKING:
    import pandas as pd

    from datarobot_drum.drum.payloads import Payload
    from datarobot_drum.drum.predictors import Model
    from datarobot_drum.drum.settings import Settings

CSV = "text/csv"


def score_table(
    model: Model,
    args: Namespace,
    settings: Settings,
    stdout: BinaryIO | None,
    reports: Reports = NO_REPORTS,
) -> None:
    """Predict (or transform) each row of the input and write the answers in its order.

    The result goes to `stdout`, or to the file of `--output` when that is None.
    """
    frames = _with_progress(_frames(model, args, settings, reports))
    if stdout is None:
        with output_file(args.output) as file:
            _write_csv(frames, file)
        return
    form = args.stdout_format or ("table" if stdout.isatty() else "csv")
    if form == "csv":
        _write_csv(frames, stdout)
        return
    whole = _whole(frames)
    text = str(whole) if form == "table" else whole.to_json(orient="records", force_ascii=False)
    stdout.write(f"{text}\n".encode())


def _frames(
    model: Model, args: Namespace, settings: Settings, reports: Reports
) -> Iterator[pd.DataFrame]:
    """The answer, in one frame or in one for each chunk of rows."""
    if model.target.type is TargetType.TRANSFORM:
        with _opened(args) as payload:
            yield model.transform(payload, None)
        return
    chunks = _chunks(model, args, settings)
    if chunks is None:
        with _opened(args) as payload:
            clock = reports.begin(payload)
            predictions = model.predict(payload)
            reports.predicted(predictions, payload, clock)
            yield _joined(predictions.frame, predictions.extra)
        return
    for chunk in chunks:
        clock = time.monotonic()
        # a hook may change the rows that it is given
        rows = reports.kept(chunk)
        predictions = model.predict_table(chunk, None)
        reports.scored(rows, predictions, time.monotonic() - clock)
        yield _joined(predictions.frame, predictions.extra)


def _chunks(model: Model, args: Namespace, settings: Settings) -> Iterator[pd.DataFrame] | None:
    """The input in pieces, or None where the model must see it whole."""
    from datarobot_drum.drum.payloads import csv_chunks, media_type_for_file

    is_allowed = model.is_row_wise or (args.chunk_rows is not None and not model.reads_raw_input)
    if not is_allowed or media_type_for_file(args.input)[0] != CSV:
        return None
    if not os.path.isfile(args.input):
        return None  # a pipe can be read only once
    return csv_chunks(args.input, args.chunk_rows or settings.score_chunk_rows)


@contextmanager
def _opened(args: Namespace) -> Iterator[Payload]:
    from datarobot_drum.drum.payloads import Payload, media_type_for_file

    media_type, parameters = media_type_for_file(args.input)
    names = _column_names(args.sparse_column_file)
    with open(args.input, "rb") as file:
        yield Payload(
            file if file.seekable() else file.read(),
            media_type=media_type,
            parameters=parameters,
            column_names=names,
        )


def _column_names(path: str | None) -> list[str] | None:
    from datarobot_drum.drum.payloads import column_names

    return None if path is None else column_names(Path(path).read_bytes())


def _joined(frame: pd.DataFrame, extra: pd.DataFrame | None) -> pd.DataFrame:
    import pandas as pd

    return frame if extra is None else pd.concat([frame, extra], axis=1)


def _write_csv(frames: Iterable[pd.DataFrame], file: BinaryIO) -> None:
    from datarobot_drum.drum.payloads import predictions_csv

    with _as_text(file) as text:
        for number, frame in enumerate(_aligned(frames)):
            predictions_csv(frame, text, number == 0)


@contextmanager
def _as_text(file: BinaryIO) -> Iterator[IO[str]]:
    """A text view that leaves its file open."""
    text = TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    try:
        yield text
    finally:
        text.detach()


def _aligned(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Each frame with the columns of the first, as one header stands above them all."""
    columns: list[str] = []
    for number, frame in enumerate(frames):
        found = list(frame.columns)
        if number == 0:
            columns = found
        if len(found) != len(columns) or set(found) != set(columns):
            raise InvalidOutput(
                f"a chunk of rows has the columns {found}, those before had {columns}; leave out "
                "--chunk-rows to score the input as a whole"
            )
        yield frame if found == columns else frame.loc[:, columns]


def _whole(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(list(_aligned(frames)), ignore_index=True)


def _with_progress(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Count rows on a terminal; elsewhere say nothing."""
    if not sys.stderr.isatty():
        yield from frames
        return
    from tqdm import tqdm

    with tqdm(desc="scored", unit=" rows", unit_scale=True, file=sys.stderr) as bar:
        for frame in frames:
            yield frame
            bar.update(len(frame))
