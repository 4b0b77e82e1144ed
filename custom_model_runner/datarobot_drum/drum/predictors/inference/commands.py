"""Command lines and environments that start inference servers: pure functions, nothing runs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.settings import InferenceSettings

ENGINE_CONFIG = "engine_config.json"
#: The scripts of a NIM's image: its entry point, and what starts the server, newest name first.
NIM_ENTRY_POINT = "/opt/nvidia/nvidia_entrypoint.sh"
NIM_START_SCRIPTS = ("/opt/nim/start_server.sh", "/opt/nim/start-server.sh")
PARALLEL_OPTIONS = (
    "-tp",
    "-pp",
    "--tensor-parallel-size",
    "--pipeline-parallel-size",
    "--tensor_parallel_size",
    "--pipeline_parallel_size",
)


@dataclass(frozen=True)
class Command:
    """A program with its arguments, and the variables that it gets besides those of the caller."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


def child_environment(
    environ: Mapping[str, str], own: Mapping[str, str], virtual_env: str | None
) -> dict[str, str]:
    """The whole environment of an inference server.

    The `bin` of this program's environment is not in its `PATH`: the server has a Python of its
    own, whose packages are others.
    """
    child = {**environ, **own}
    if virtual_env is not None:
        hidden = os.path.normpath(os.path.join(virtual_env, "bin"))
        parts = environ.get("PATH", "").split(os.pathsep)
        kept = [part for part in parts if os.path.normpath(part) != hidden]
        child["PATH"] = own.get("PATH", os.pathsep.join(kept))
        if "VIRTUAL_ENV" not in own:
            child.pop("VIRTUAL_ENV", None)
    return child


def nim(code_dir: str, settings: InferenceSettings) -> Command:
    """How a NIM is started; StartupError when a setting is missing."""
    if settings.gpu_count is None:
        raise StartupError("GPU_COUNT is not set; set it to the number of GPUs of this machine")
    environment = {
        "NIM_SERVED_MODEL_NAME": settings.served_model_name,
        "NIM_SERVER_PORT": str(settings.nim_port or settings.port),
        **_set(
            NIM_MODEL_PROFILE=settings.nim_model_profile,
            NIM_MAX_MODEL_LEN=settings.nim_max_model_len,
            NIM_LOG_LEVEL=settings.nim_log_level,
        ),
    }
    repository = Path(code_dir, "model-repo")
    if repository.is_dir():
        environment["NIM_MODEL_NAME"] = str(repository)
    elif settings.ngc_api_key is not None:
        environment["NGC_API_KEY"] = settings.ngc_api_key
    else:
        raise StartupError(
            "a NIM needs a folder model-repo in the model folder, or the runtime parameter "
            "NGC_API_KEY; add one of them"
        )
    environment |= _engine_environment(code_dir)
    return Command((NIM_ENTRY_POINT, _existing(NIM_START_SCRIPTS)), environment)


def _existing(paths: Sequence[str]) -> str:
    return next((path for path in paths if os.path.exists(path)), paths[-1])


def _set(**values: object) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None}


def vllm(code_dir: str, settings: InferenceSettings) -> Command:
    """How vLLM is started; StartupError when no model is named or a file cannot be read."""
    extra = _engine_arguments(code_dir)
    arguments = ["python3", "-m", "vllm.entrypoints.openai.api_server"]
    arguments += ["--port", str(settings.port)]
    arguments += ["--served-model-name", settings.served_model_name]
    if not _gives(extra, "--model"):
        arguments += ["--model", _vllm_model(code_dir, settings)]
    arguments += _options(
        extra,
        **{
            "--max-model-len": settings.max_model_len,
            "--gpu-memory-utilization": settings.gpu_memory_utilization,
        },
    )
    gpus = settings.gpu_count or 0
    if gpus > 1 and not any(_gives(extra, option) for option in PARALLEL_OPTIONS):
        arguments += [f"-{settings.default_parallelism}", str(gpus)]
    return Command((*arguments, *extra), _set(HF_TOKEN=settings.hugging_face_token))


def _vllm_model(code_dir: str, settings: InferenceSettings) -> str:
    folder = Path(code_dir, "vllm")
    if folder.is_dir():
        return str(folder)
    if settings.model is None:
        raise StartupError(
            "vLLM has no model to load: add --model to the args of engine_config.json, a folder "
            "vllm, or the runtime parameter model"
        )
    return settings.model


def _options(given: Sequence[str], **options: object) -> list[str]:
    return [
        word
        for name, value in options.items()
        if value is not None and not _gives(given, name)
        for word in (name, str(value))
    ]


def _gives(arguments: Sequence[str], option: str) -> bool:
    """Is the option among the arguments, as two words or as one with `=`?"""
    return any(word == option or word.startswith(f"{option}=") for word in arguments)


def _engine_arguments(code_dir: str) -> list[str]:
    args = _engine_config(code_dir).get("args", [])
    if not isinstance(args, list):
        raise StartupError(f"{ENGINE_CONFIG}: 'args' must be a list of arguments")
    return [str(word) for word in args]


def _engine_environment(code_dir: str) -> dict[str, str]:
    env = _engine_config(code_dir).get("env", {})
    if not isinstance(env, dict):
        raise StartupError(f"{ENGINE_CONFIG}: 'env' must be an object of variables")
    return {str(name): str(value) for name, value in env.items()}


def _engine_config(code_dir: str) -> dict[str, Any]:
    path = Path(code_dir, ENGINE_CONFIG)
    if not path.exists():
        return {}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StartupError(f"cannot read {path}: {error}") from error
    if not isinstance(config, dict):
        raise StartupError(f'{path} must hold a JSON object, such as {{"args": []}}')
    return config
