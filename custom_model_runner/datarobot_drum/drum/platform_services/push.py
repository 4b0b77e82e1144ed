"""Uploads a model folder through the platform's own client."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from datarobot_drum.drum.enum import METADATA_FILE_NAME, TargetType
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder import ModelMetadata
from datarobot_drum.drum.platform_services import api_access

#: The target types that can be pushed, as the platform spells them.
TARGET_TYPES = MappingProxyType(
    {
        TargetType.REGRESSION: "Regression",
        TargetType.BINARY: "Binary",
        TargetType.ANOMALY: "Anomaly",
        TargetType.MULTICLASS: "Multiclass",
    }
)
TRAINING = "training"
#: Not part of a model, though it lies in its folder.
LEFT_OUT = frozenset({"__pycache__", ".git", ".lazy-loading.json", ".lazy-loading.lock"})


@dataclass(frozen=True)
class Pushed:
    """What the platform has now; the ids that were `created` are new there."""

    id: str
    version: str
    created: bool
    link: str
    training_link: str | None = None


def check_metadata(metadata: ModelMetadata | None) -> ModelMetadata:
    """Refuse a model that cannot be pushed: what the file misses, and other target types."""
    if metadata is None:
        raise DrumError(
            "Target type is missing. It must be provided in --target-type argument, TARGET_TYPE "
            f"env var or model config file. `drum push` needs a {METADATA_FILE_NAME}"
        )
    raw = metadata.raw
    wanted = ["environmentID", "validation"]
    if metadata.type != TRAINING:
        wanted.append("inferenceModel")
    _refuse_missing([key for key in wanted if not raw.get(key)])
    if metadata.target_type not in TARGET_TYPES:
        raise DrumError(f"Unsupported target type {metadata.target_type.value}")
    if metadata.type != TRAINING:
        _refuse_missing([] if metadata.target_name else ["inferenceModel.targetName"])
    elif metadata.target_type is not TargetType.ANOMALY:
        has_target = raw["validation"].get("targetName")
        _refuse_missing([] if has_target else ["validation.targetName"])
    return metadata


def _refuse_missing(keys: list[str]) -> None:
    if keys:
        raise DrumError(
            f"The following keys are missing in {METADATA_FILE_NAME} file.\nMissing keys: {keys}"
        )


def upload(metadata: ModelMetadata, code_dir: str) -> Pushed:
    """Add the folder to the platform as a new version, of a new model unless `modelID` says which.

    The client finds its address and token as it always does: DATAROBOT_ENDPOINT and
    DATAROBOT_API_TOKEN, or its configuration file.
    """
    client, connection = api_access.open_client()
    host = connection.endpoint.removesuffix(api_access.API_PATH)
    errors = api_access.told_errors(connection.token, "the upload failed")
    with errors, _upload_folder(code_dir) as folder:
        if metadata.type == TRAINING:
            return _push_task(client, metadata, folder, host)
        return _push_model(client, metadata, folder, code_dir, host)


def _push_model(
    client: Any, metadata: ModelMetadata, folder: str, code_dir: str, host: str
) -> Pushed:
    known = metadata.raw.get("modelID")
    model_id = known or client.CustomInferenceModel.create(**_model(metadata, code_dir)).id
    version = client.CustomModelVersion.create_clean(
        custom_model_id=model_id,
        base_environment_id=metadata.raw["environmentID"],
        is_major_update=metadata.raw.get("majorVersion", True),
        folder_path=folder,
    )
    link = f"{host}/model-registry/custom-models/{model_id}"
    return Pushed(model_id, version.id, not known, link)


def _model(metadata: ModelMetadata, code_dir: str) -> dict[str, Any]:
    facts = {
        "name": metadata.name,
        "target_type": TARGET_TYPES[metadata.target_type],
        "target_name": metadata.target_name,
        "description": metadata.raw.get("description") or metadata.name,
        "positive_class_label": metadata.positive_class_label,
        "negative_class_label": metadata.negative_class_label,
        "prediction_threshold": metadata.prediction_threshold,
        "class_labels": list(metadata.class_labels) if metadata.class_labels else None,
    }
    if metadata.class_labels_file is not None:
        facts["class_labels_file"] = str(Path(code_dir, metadata.class_labels_file))
    return {name: value for name, value in facts.items() if value is not None}


def _push_task(client: Any, metadata: ModelMetadata, folder: str, host: str) -> Pushed:
    known = metadata.raw.get("modelID")
    task_id = known or _create_task(client, metadata)
    version = client.CustomTaskVersion.create_clean(
        custom_task_id=task_id,
        base_environment_id=metadata.raw["environmentID"],
        is_major_update=metadata.raw.get("majorVersion", True),
        folder_path=folder,
    )
    project = (metadata.raw.get("trainingModel") or {}).get("trainOnProject")
    link = f"{host}/model-registry/custom-tasks/{task_id}"
    training_link = None
    if project:
        _train(client, version.id, project)
        training_link = f"{host}/projects/{project}/models"
    return Pushed(task_id, version.id, not known, link, training_link)


def _create_task(client: Any, metadata: ModelMetadata) -> str:
    task = client.CustomTask.create(
        name=metadata.name,
        target_type=TARGET_TYPES[metadata.target_type],
        description=metadata.raw.get("description") or metadata.name,
    )
    return str(task.id)


def _train(client: Any, version_id: str, project: str) -> None:
    blueprint = client.UserBlueprint.create_from_custom_task_version_id(version_id)
    added = client.UserBlueprint.add_to_project(project, [blueprint.user_blueprint_id])
    client.Project(project).train(added.added_to_menu[0].blueprint_id)


@contextmanager
def _upload_folder(code_dir: str) -> Iterator[str]:
    """A folder of links to the files that belong to the model."""
    with tempfile.TemporaryDirectory(prefix="drum-push-") as folder:
        for place, subfolders, names in os.walk(code_dir):
            subfolders[:] = [name for name in subfolders if name not in LEFT_OUT]
            below = Path(folder, os.path.relpath(place, code_dir))
            below.mkdir(exist_ok=True)
            for name in set(names) - LEFT_OUT:
                (below / name).symlink_to(Path(place, name))
        yield folder
