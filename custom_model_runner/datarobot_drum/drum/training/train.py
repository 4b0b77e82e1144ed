"""One training run, from the data to the folder of the trained model."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder import (
    DEFAULT_TRANSFORM_SCHEMA,
    ModelMetadata,
    Target,
    TypeSchema,
    check_input,
    check_schema_target,
    read_metadata,
)
from datarobot_drum.drum.settings import ModelSpec, Settings
from datarobot_drum.drum.training import output
from datarobot_drum.drum.training.check import check_predictions, tell_difference
from datarobot_drum.drum.training.data import TrainingData, read_training_data
from datarobot_drum.drum.training.job import FitJob
from datarobot_drum.drum.training.labels import class_order, resolve_fit_target
from datarobot_drum.drum.training.memory import MIB, peak_memory
from datarobot_drum.drum.training.trainers import FitArguments, Trainer, find_trainer
from datarobot_drum.drum.user_secrets import provide_user_secrets, withdraw_user_secrets

logger = logging.getLogger("drum.fit")

Tell = Callable[[str], None]

RUNTIME_DATA = "fit_runtime_data.json"
NO_SCHEMA = (
    "WARNING: No type schema provided. For transforms, we enforce using the default type schema "
    "to ensure there are no conflicts with other tasks downstream. Disable strict validation if "
    "you do not want to use the default type schema."
)
VALIDATED = "Validation Complete 🎉 Your model can be fit to your data, "
PREDICTED = f"{VALIDATED} and predictions can be made on the fit model! \n "
NOT_PREDICTED = (
    f"{VALIDATED}however since you specified --skip-predict, predictions were not made \n"
)
READY = "You're ready to add it to DataRobot. "


@dataclass(frozen=True)
class _Prepared:
    """What is known before training begins."""

    spec: ModelSpec
    target: Target
    data: TrainingData
    trainer: Trainer
    parameters: dict[str, Any]
    has_default_schema: bool


def train(job: FitJob, settings: Settings, tell: Tell) -> None:
    """Train, check and keep the model; `tell` gets the lines that scripts read on stdout.

    Nothing is written to the model folder, and nothing to the output folder before all went well.
    Raises DrumError, or what the model's code raised.
    """
    written = (RUNTIME_DATA,) if job.writes_runtime_data else ()
    output.check_output_folder(job.output, job.model.code_dir, written)
    prepared = _prepare(job, settings, tell)
    tell("Starting Fit")
    with output.training_folder(job.output) as folder:
        fit_memory = _fit(prepared, job, folder)
        tell("Fit successful")
        if job.verbose:
            tell(f"Maximum fit memory usage: {round(fit_memory)}MB")
        replaced = _complete(job, folder)
        predict_memory = None if job.skip_predict else _check(prepared, job, settings, folder, tell)
        if job.writes_runtime_data:
            _write_runtime_data(folder, fit_memory, predict_memory, prepared.data)
        if job.output is not None:
            _publish(folder, job.output, replaced)
    tell(_last_line(job))


def _prepare(job: FitJob, settings: Settings, tell: Tell) -> _Prepared:
    metadata = read_metadata(job.model.code_dir)
    data = read_training_data(job)
    spec, target = resolve_fit_target(
        job.model, metadata, data.target, settings.target_name or job.target
    )
    trainer = find_trainer(spec.code_dir, target)
    schema = metadata.type_schema if metadata else None
    default = schema is None and target.type is TargetType.TRANSFORM and job.strict_schema
    if default:
        tell(NO_SCHEMA)
    data = data.sampled(job.num_rows)
    _check_schema(DEFAULT_TRANSFORM_SCHEMA if default else schema, target, data, job)
    return _Prepared(spec, target, data, trainer, _parameters(job, metadata), default)


def _check_schema(
    schema: TypeSchema | None, target: Target, data: TrainingData, job: FitJob
) -> None:
    if schema is not None:
        check_schema_target(schema, target.type)
        check_input(data.features, schema.input_requirements, strict=job.strict_schema)


def _parameters(job: FitJob, metadata: ModelMetadata | None) -> dict[str, Any]:
    """The file's hyperparameters alone, else the defaults of the metadata."""
    if job.parameter_file is None:
        found = metadata.hyperparameters if metadata else ()
        return {parameter.name: parameter.default for parameter in found}
    try:
        values = json.loads(Path(job.parameter_file).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DrumError(f"{job.parameter_file} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise DrumError(f"{job.parameter_file} must hold a JSON object of hyperparameters")
    return values


def _fit(prepared: _Prepared, job: FitJob, folder: Path) -> float:
    """Run the model's training code into the folder; the peak memory in MiB."""
    data, started = prepared.data, time.monotonic()
    arguments = FitArguments(
        X=data.features,
        y=data.target,
        output_dir=str(folder),
        class_order=class_order(prepared.target),
        row_weights=data.weights,
        parameters=prepared.parameters,
    )
    logger.info("training on %d rows and %d columns", *data.features.shape)
    provide_user_secrets(job.model.user_secrets_mount_path, job.model.user_secrets_prefix)
    try:
        prepared.trainer(arguments)
    finally:
        withdraw_user_secrets()
    logger.info("trained in %.1f s", time.monotonic() - started)
    return peak_memory()


def _complete(job: FitJob, folder: Path) -> list[str]:
    """Add the model's code, which loads what was trained; the files that training replaced."""
    replaced = output.add_code(job.model.code_dir, folder, job.output)
    output.add_readme(folder, job.output)
    return replaced


def _check(prepared: _Prepared, job: FitJob, settings: Settings, folder: Path, tell: Tell) -> float:
    """Predict with the trained model in a process of its own; its peak memory in MiB."""
    tell("Starting Prediction")
    report = check_predictions(
        dataclasses.replace(prepared.spec, code_dir=str(folder)),
        prepared.data,
        job,
        target_name=prepared.target.name,
        has_default_schema=prepared.has_default_schema,
        timeout=settings.fit_check_timeout or None,
    )
    if job.verbose:
        tell(f"Maximum server memory usage: {round(report.memory)}MB")
    if report.difference is not None:
        if job.strict_exit:
            raise DrumError(tell_difference(report.difference))
        logger.warning("%s", tell_difference(report.difference))
    tell("Prediction successful for fit validation")
    return report.memory


def _write_runtime_data(
    folder: Path, fit_memory: float, predict_memory: float | None, data: TrainingData
) -> None:
    figures = {
        "fit_memory_usage": fit_memory,
        "prediction_memory_usage": predict_memory,
        "input_dataframe_size": int(data.features.memory_usage(deep=True).sum()) / MIB,
    }
    # a copy from the model folder may be read-only
    (folder / RUNTIME_DATA).unlink(missing_ok=True)
    (folder / RUNTIME_DATA).write_text(json.dumps(figures), encoding="utf-8")


def _publish(folder: Path, target: str, replaced: list[str]) -> None:
    overwritten = sorted({*replaced, *output.publish(folder, target)})
    if overwritten:
        logger.warning("Files were overwritten: %s", overwritten)


def _last_line(job: FitJob) -> str:
    if job.output is not None:
        return "Success 🎉"
    return f"{NOT_PREDICTED if job.skip_predict else PREDICTED}{READY}"
