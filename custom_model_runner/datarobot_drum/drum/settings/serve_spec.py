"""What to serve and where: the command line as a value that travels to worker processes."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from datarobot_drum.drum.enum import SERVE_SPEC_VARIABLE


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """Which model to load; what is None is looked for in the model folder.

    `code_dir` is an absolute path without links. Of user secrets it only says where they are.
    `reports` is None, `monitor` or `embedded`.
    """

    code_dir: str
    target_type: str | None = None
    positive_class_label: str | None = None
    negative_class_label: str | None = None
    class_labels: tuple[str, ...] | None = None
    language: str | None = None
    gpu_predictor: str | None = None
    sidecar: bool = False
    triton_host: str = "http://localhost"
    triton_http_port: int = 8000
    deployment_config: str | None = None
    user_secrets_mount_path: str | None = None
    user_secrets_prefix: str | None = None
    reports: str | None = None
    deployment_id: str | None = None
    model_id: str | None = None
    allow_api_access: bool = False

    @property
    def starts_inference_server(self) -> bool:
        """Does this program start the inference server? One of Triton it never does."""
        return self.gpu_predictor not in (None, "triton") and not self.sidecar


@dataclasses.dataclass(frozen=True)
class ServeSpec:
    """What the command line of a server asks for; it holds no secrets."""

    model: ModelSpec
    host: str = "127.0.0.1"
    port: int = 5000
    with_error_server: bool = False
    show_perf: bool = False
    show_stacktrace: bool = False
    verbose: bool = False
    logging_level: str = "warning"
    max_workers: int | None = None

    def to_json(self) -> str:
        """The text that `from_json` reads back."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ServeSpec:
        """The value that `to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        model: dict[str, Any] = fields.pop("model")
        labels = model.pop("class_labels")
        class_labels = None if labels is None else tuple(labels)
        return cls(model=ModelSpec(**model, class_labels=class_labels), **fields)

    def environment(self) -> dict[str, str]:
        """The variables from which a worker process learns what to serve."""
        return {SERVE_SPEC_VARIABLE: self.to_json()}
