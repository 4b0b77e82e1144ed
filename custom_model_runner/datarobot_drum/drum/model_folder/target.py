"""What a model predicts: target type and class labels, from the command line or the metadata."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder.metadata import ModelMetadata, parse_target_type

_DIFFER = (
    "provided with command arguments or environment variable don't match values "
    "from model config file. Use either one of them or make them match."
)


class TargetOptions(Protocol):
    """What a command line may say about the target."""

    @property
    def code_dir(self) -> str: ...
    @property
    def target_type(self) -> str | None: ...
    @property
    def positive_class_label(self) -> str | None: ...
    @property
    def negative_class_label(self) -> str | None: ...
    @property
    def class_labels(self) -> tuple[str, ...] | None: ...


@dataclass(frozen=True)
class Target:
    """What a model predicts; `labels` of a binary target are the positive and the negative one.

    `name` is the name of the target column where one is known, which text targets always have.
    """

    type: TargetType
    labels: tuple[str, ...] = ()
    name: str | None = None

    @property
    def positive_label(self) -> str | None:
        """The label of class 1 of a binary target."""
        return self.labels[0] if self.type is TargetType.BINARY else None

    @property
    def negative_label(self) -> str | None:
        """The label of class 0 of a binary target."""
        return self.labels[1] if self.type is TargetType.BINARY else None


def resolve_target(
    options: TargetOptions, metadata: ModelMetadata | None, target_name: str | None = None
) -> Target:
    """Bring the command line and the metadata together; DrumError where they do not agree."""
    target_type = _target_type(options.target_type, metadata)
    name = target_name or (metadata and metadata.target_name) or None
    if target_type.is_text and name is None:
        raise DrumError(
            "Unexpected empty target name for text generation, vector database, or agentic "
            "workflow target."
        )
    return Target(target_type, _labels(target_type, options, metadata), name)


def read_class_labels(path: str | Path) -> tuple[str, ...]:
    """The labels of a file, one a line; blank lines do not count."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DrumError(f"cannot read the class labels file {path}: {error}") from error
    return _at_least_two(tuple(line for line in text.split("\n") if line.strip()))


def _target_type(option: str | None, metadata: ModelMetadata | None) -> TargetType:
    if metadata is None:
        if option is None:
            raise DrumError(
                "Target type is missing. It must be provided in --target-type argument, "
                "TARGET_TYPE env var or model config file."
            )
        return parse_target_type(option)
    if option is not None and option != metadata.target_type.value:
        raise DrumError(
            "Target type provided in --target-type argument doesn't match target type from model "
            "config file. Use either one of them or make them match."
        )
    return metadata.target_type


def _labels(
    target_type: TargetType, options: TargetOptions, metadata: ModelMetadata | None
) -> tuple[str, ...]:
    if not target_type.is_classification:
        return ()
    if target_type is TargetType.BINARY:
        labels = _binary_labels(options, metadata)
    else:
        labels = _multi_labels(options, metadata)
    if len(set(labels)) != len(labels):
        raise DrumError(f"class labels must differ from each other, but are {list(labels)}")
    return labels


def _binary_labels(options: TargetOptions, metadata: ModelMetadata | None) -> tuple[str, ...]:
    given = _pair(options.positive_class_label, options.negative_class_label)
    own = metadata and _pair(metadata.positive_class_label, metadata.negative_class_label)
    if given and own and given != own:
        raise DrumError(f"Positive/negative class labels {_DIFFER}")
    labels = given or own
    if not labels:
        raise DrumError(
            "Positive/negative class labels are missing. They must be provided with either one: "
            "--positive-class-label/--negative-class-label arguments, environment variables, "
            "model config file."
        )
    return labels


def _pair(positive: str | None, negative: str | None) -> tuple[str, ...] | None:
    return None if positive is None or negative is None else (positive, negative)


def _multi_labels(options: TargetOptions, metadata: ModelMetadata | None) -> tuple[str, ...]:
    given = options.class_labels
    own = metadata and _metadata_labels(metadata, Path(options.code_dir))
    if given and own and set(given) != set(own):
        raise DrumError(f"Class labels {_DIFFER}")
    labels = given or own
    if not labels:
        raise DrumError(
            "Class labels are missing. They must be provided with either one: "
            "--class-labels/--class-labels-file arguments, environment variables, "
            "model config file."
        )
    return _at_least_two(labels)


def _metadata_labels(metadata: ModelMetadata, code_dir: Path) -> tuple[str, ...] | None:
    if metadata.class_labels_file is None:
        return metadata.class_labels
    beside = code_dir / metadata.class_labels_file
    return read_class_labels(beside if beside.is_file() else metadata.class_labels_file)


def _at_least_two(labels: tuple[str, ...]) -> tuple[str, ...]:
    if len(labels) < 2:
        raise DrumError("Multiclass classification requires at least 2 labels.")
    return labels
