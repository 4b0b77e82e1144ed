"""Trains a model folder of R: runs its `fit` hook in an R process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.predictors import r_tables
from datarobot_drum.drum.predictors.child import ChildDied, ChildError
from datarobot_drum.drum.predictors.r_process import HINT, find_r_file, r_process, reported

if TYPE_CHECKING:
    import pandas as pd


def fit(
    *,
    code_dir: str,
    X: pd.DataFrame,  # the hook's own name for it
    y: pd.Series[Any] | pd.DataFrame | None,
    output_dir: str,
    class_order: Sequence[str] | None = None,
    row_weights: pd.Series[Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    transforms: bool = True,
) -> None:
    """Call the hook `fit` of `custom.R`, with seed 1; it writes its artifact to `output_dir`.

    With `transforms`, a hook `transform` is given `X` first, without a model and without `y`.
    R gets `output_dir` with a slash at its end. Raises HookError with the error of the hook,
    ChildDied when R ended, and StartupError when there is no hook or no R.
    """
    process = r_process({"op": "source", "custom": find_r_file(code_dir), "labels": []})
    header, parts = _request(
        {"X": X, "y": y, "row_weights": row_weights}, class_order, parameters, output_dir
    )
    try:
        process.start()
        process.request({**header, "transforms": transforms}, parts)
    except ChildError as error:
        if error.kind == "load":
            raise StartupError(f"{error} {HINT}") from error
        raise reported(error) from error
    except ChildDied as error:
        raise ChildDied(f"{error} {HINT}") from error
    finally:
        process.terminate()


def _request(
    given: Mapping[str, Any],
    class_order: Sequence[str] | None,
    parameters: Mapping[str, Any] | None,
    output_dir: str,
) -> tuple[dict[str, Any], r_tables.Parts]:
    tables: dict[str, Any] = {}
    parts: r_tables.Parts = []
    for name, data in given.items():
        if data is not None:
            fields, own = r_tables.encode(data if data.ndim > 1 else data.to_frame())
            tables[name] = {**fields, "part_count": len(own)}
            parts += own
    header = {
        "op": "fit",
        "tables": tables,
        "output_dir": output_dir.rstrip("/") + "/",
        "class_order": None if class_order is None else [str(label) for label in class_order],
        "parameters": dict(parameters or {}),
    }
    return header, parts
