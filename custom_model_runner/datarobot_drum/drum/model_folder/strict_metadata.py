"""The narrow form of `model-metadata.yaml` that DRUM 1.18 demands, for `--strict-metadata`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from datarobot_drum.drum.enum import METADATA_FILE_NAME
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder.metadata import read_metadata, unknown_keys


def check_strict_metadata(code_dir: str | Path) -> None:
    """Refuse flow style, anchors, tags, unknown keys and a threshold that is no whole number.

    Whoever shares a folder with DRUM 1.18 wants to know of them. DrumError lists all faults.
    """
    metadata = read_metadata(code_dir)
    if metadata is None:
        return
    content = Path(code_dir, METADATA_FILE_NAME).read_text(encoding="utf-8")
    faults = [*_style_faults(content), *_content_faults(metadata.raw)]
    if faults:
        raise DrumError(
            f"{METADATA_FILE_NAME} is not strict: {'; '.join(faults)}; change that, or leave out "
            "--strict-metadata"
        )


def _style_faults(content: str) -> Iterator[str]:
    event: Any  # the stubs do not know that each has a start
    for event in yaml.parse(content, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1
        if getattr(event, "flow_style", False):
            yield f"flow style in line {line}"
        if getattr(event, "anchor", None) is not None:
            yield f"anchor or alias in line {line}"
        if getattr(event, "tag", None) is not None:
            yield f"tag in line {line}"


def _content_faults(raw: dict[str, Any]) -> Iterator[str]:
    yield from (f"unknown key {key!r}" for key in unknown_keys(raw))
    threshold = (raw.get("inferenceModel") or {}).get("predictionThreshold")
    if threshold is not None and not float(threshold).is_integer():
        yield "predictionThreshold is not a whole number"
