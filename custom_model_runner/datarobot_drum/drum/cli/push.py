"""`drum push`: try a model here, then upload it to the platform."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

from datarobot_drum.drum.cli.child_process import Interrupted, run_child
from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder import ModelMetadata, read_metadata
from datarobot_drum.drum.platform_services.extras import DATAROBOT
from datarobot_drum.drum.platform_services.push import TRAINING, Pushed, check_metadata, upload

DRUM = (sys.executable, "-m", "datarobot_drum.drum.entry_point")
VALIDATED = "Your model was successfully validated locally! Now we will add it into DataRobot"
#: Options of `drum push` that the local run understands as well.
PASSED_ON = ("docker", "memory", "user_secrets_mount_path", "user_secrets_prefix")


def run(args: Namespace) -> int:
    """Check the metadata, run the model on its validation data, upload the folder."""
    metadata = check_metadata(read_metadata(args.code_dir))
    if not DATAROBOT.is_installed:
        raise DrumError(f"drum push: {DATAROBOT.advice}")
    _validate(args, metadata)
    sys.stdout.write(f"{VALIDATED}\n")
    sys.stdout.flush()
    _tell(upload(metadata, args.code_dir), metadata)
    return 0


def _validate(args: Namespace, metadata: ModelMetadata) -> None:
    try:
        code = run_child(validation_command(args, metadata))
    except Interrupted:
        raise KeyboardInterrupt from None
    if code:
        raise DrumError(
            f"the model failed on its validation data (exit code {code}); nothing was uploaded"
        )


def validation_command(args: Namespace, metadata: ModelMetadata) -> list[str]:
    """The command line that tries the model: it scores, or for a training model it fits."""
    validation = metadata.raw["validation"]
    place = ["--code-dir", args.code_dir, "--input", _input(args.code_dir, validation["input"])]
    options = [*place, "--logging-level", args.logging_level, *_passed_on(args)]
    if metadata.type != TRAINING:
        return [*DRUM, "score", *options, "--output", os.devnull]
    if metadata.target_type is not TargetType.ANOMALY:
        options += ["--target", validation["targetName"]]
    if args.disable_strict_validation:
        options.append("--disable-strict-validation")
    return [*DRUM, "fit", *options]


def _input(code_dir: str, name: str) -> str:
    """The validation data: a path in the model folder, else from here."""
    for place in (Path(code_dir, name), Path(name)):
        if place.is_file():
            return str(place.resolve())
    raise DrumError(f"the file of validation.input does not exist: {name}")


def _passed_on(args: Namespace) -> list[str]:
    words = []
    for dest in PASSED_ON:
        if value := getattr(args, dest):
            words += [f"--{dest.replace('_', '-')}", value]
    return [*words, "--skip-deps-install"] if args.skip_deps_install else words


def _tell(pushed: Pushed, metadata: ModelMetadata) -> None:
    kind = "task" if metadata.type == TRAINING else "model"
    if pushed.created:
        sys.stdout.write(f"New custom {kind} was created. Custom {kind} id: {pushed.id}\n")
    sys.stdout.write(f"A version was added. Version id: {pushed.version}\n")
    sys.stdout.write(f"You can see it here: {pushed.link}\n")
    if pushed.training_link is not None:
        sys.stdout.write(f"It is being trained here: {pushed.training_link}\n")
