"""Loads what `--gpu-predictor` names: attaches to an inference server, or starts it."""

from __future__ import annotations

import importlib.util
import logging
import os
import zlib
from collections.abc import Callable
from typing import Any

from datarobot_drum.drum.errors import DrumError, StartupError
from datarobot_drum.drum.exceptions import BaseCustomUserError
from datarobot_drum.drum.hooks import spec as hooks
from datarobot_drum.drum.hooks.loader import ModelHooks, load_hooks
from datarobot_drum.drum.model_folder import find_custom_file
from datarobot_drum.drum.predictors.hooked import PythonModel
from datarobot_drum.drum.predictors.inference import events
from datarobot_drum.drum.predictors.inference.client import UpstreamClient
from datarobot_drum.drum.predictors.inference.commands import child_environment
from datarobot_drum.drum.predictors.inference.kinds import KINDS, ServerKind
from datarobot_drum.drum.predictors.inference.managed import ManagedServer, RestartRules, file_lock
from datarobot_drum.drum.predictors.inference.openai_model import OpenAIModel
from datarobot_drum.drum.predictors.model import Model
from datarobot_drum.drum.predictors.request import LoadRequest
from datarobot_drum.drum.settings import InferenceSettings
from datarobot_drum.drum.upstream import Upstream

logger = logging.getLogger("drum.inference")

CLIENT_HOOKS = (hooks.SCORE, hooks.SCORE_UNSTRUCTURED)
IGNORED_HOOKS = (hooks.CHAT, hooks.LLM_MODELS, hooks.READ_INPUT_DATA, hooks.TRANSFORM)
STAGE_LOADING, STAGE_STARTING, STAGE_READY = 1, 2, 3
#: Clients of OpenAI's API must send a key; these servers ask for none.
NO_KEY = "not-needed"
HEALTH_TIMEOUT = 5.0


def load(request: LoadRequest) -> Model:
    """The model behind the inference server that the command line names.

    Raises StartupError when the server cannot be started, or a part that it needs is missing.
    """
    name = request.spec.gpu_predictor
    if name is None:
        raise StartupError("a model in language 'other' needs an inference server; --gpu-predictor")
    if name == "triton":
        from datarobot_drum.drum.predictors.inference import triton

        return triton.load(request)
    if importlib.util.find_spec("openai") is None:
        logger.error("the OpenAI Python SDK is missing; run: pip install 'opendrum[openai]'")
        raise StartupError("OpenAI Python SDK is not installed")
    return _load_openai(request, KINDS[name], InferenceSettings.load())


def _load_openai(request: LoadRequest, kind: ServerKind, settings: InferenceSettings) -> Model:
    upstream = kind.upstream(settings)
    timeout = min(settings.client_timeout, request.settings.request_timeout or float("inf"))
    client = UpstreamClient(upstream, timeout)
    report = events.reporter(settings)
    managed = None
    if not request.spec.sidecar:
        managed = _server(request, kind, settings, client, lambda: report(STAGE_READY))
    report(STAGE_LOADING)
    folder = _folder(request, kind, upstream, settings)
    if managed is not None:
        report(STAGE_STARTING)
        managed.start()
    return OpenAIModel(
        target=request.target,
        language=request.language,
        rules=request.rules(),
        code_dir=request.code_dir,
        metadata=request.metadata,
        place=upstream,
        settings=settings,
        prompt_column=request.settings.prompt_column,
        client=client,
        folder=folder,
        managed=managed,
        hooks_client=folder.score_keywords.get("openai_client") if folder is not None else None,
    )


def _server(
    request: LoadRequest,
    kind: ServerKind,
    settings: InferenceSettings,
    client: UpstreamClient,
    on_ready: Callable[[], None],
) -> ManagedServer:
    command = kind.command(request.code_dir, settings)
    upstream = kind.upstream(settings)
    return ManagedServer(
        kind.name,
        command.arguments,
        child_environment(os.environ, command.environment, settings.virtual_env),
        RestartRules(settings.max_watchdog_restarts, settings.max_watchdog_backoff),
        lambda: _is_ready(client, upstream),
        f"inference-{upstream.address.rpartition(':')[2]}",
        on_ready,
    )


def _is_ready(client: UpstreamClient, upstream: Upstream) -> bool:
    try:
        client.read(client.open("GET", upstream.health_path, timeout=HEALTH_TIMEOUT))
    except DrumError:
        return False
    return True


def _folder(
    request: LoadRequest, kind: ServerKind, upstream: Upstream, settings: InferenceSettings
) -> PythonModel | None:
    """The hooks of the folder; `load_model` has run, which may download what the server needs."""
    code_dir = request.code_dir
    found = load_hooks(find_custom_file(code_dir), code_dir, request.target.type)
    if not found.bound:
        return None
    _warn_of_ignored(found, kind)
    if (init := found.get(hooks.INIT)) is not None:
        init(code_dir=code_dir)
    uses_model = kind.hooks_get_client and any(hook in found for hook in CLIENT_HOOKS)
    model = _downloaded(found, request) if uses_model or not request.spec.sidecar else None
    keywords = _client_keywords(upstream, settings) if uses_model else {}
    return PythonModel(
        target=request.target,
        language=request.language,
        hooks=found if uses_model else ModelHooks(),
        model=model,
        predictor=None,
        rules=request.rules(),
        code_dir=code_dir,
        metadata=request.metadata,
        score_keywords={"target_type": request.target.type, **keywords},
        unstructured_keywords=keywords,
    )


def _warn_of_ignored(found: ModelHooks, kind: ServerKind) -> None:
    ignored = IGNORED_HOOKS if kind.hooks_get_client else (*IGNORED_HOOKS, *CLIENT_HOOKS)
    names = [hook.name for hook in ignored if hook in found]
    if names:
        logger.warning("the %s server answers; not used: hooks %s", kind.name, ", ".join(names))


def _downloaded(found: ModelHooks, request: LoadRequest) -> Any:
    hook = found.get(hooks.LOAD_MODEL)
    if hook is None:
        return None
    try:
        # workers that download to the same place at the same time would spoil it
        with file_lock(f"load-{zlib.crc32(request.code_dir.encode()):x}"):
            return hook(request.code_dir)
    except BaseCustomUserError:
        raise
    except Exception as error:
        raise StartupError(
            "An error occurred when loading your artifact: 'load_model' hook failed to load the "
            f"model. Exception: {error!r}"
        ) from error


def _client_keywords(upstream: Upstream, settings: InferenceSettings) -> dict[str, object]:
    import openai

    client = openai.OpenAI(
        base_url=f"{upstream.address}/v1",
        api_key=NO_KEY,
        timeout=settings.client_timeout,
        http_client=openai.DefaultHttpxClient(trust_env=False),
    )
    return {"base_url": upstream.address, "openai_client": client}
