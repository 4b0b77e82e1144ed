"""The settings of inference servers behind a model: NIM, vLLM and Triton."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from datarobot_drum.drum.settings import checks
from datarobot_drum.drum.settings.loading import load_model
from datarobot_drum.drum.settings.sources import FromParam

#: The model name that clients send when they do not care; it is never sent on.
DEPLOYED_LLM = "datarobot-deployed-llm"

Port = Annotated[int, Field(ge=1, le=65535)]
Secret = Annotated[str, BeforeValidator(checks.credential)]


class InferenceSettings(BaseModel):
    """What an operator can tune when `--gpu-predictor` is given; `load` reads it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    host: Annotated[str, FromParam(None, env="OPENAI_HOST")] = "localhost"
    """Host of the inference server."""

    port: Annotated[Port, FromParam(None, env="OPENAI_PORT", stops_on="anything")] = 9999
    """Port of the inference server, also of one that is started."""

    client_timeout: Annotated[
        float, Field(gt=0, le=86_400), FromParam("DRUM_OPENAI_CLIENT_TIMEOUT")
    ] = 3600
    """Seconds without a byte after which a chat or prediction is given up."""

    direct_access_timeout: Annotated[
        float, Field(gt=0, le=86_400), FromParam("NIM_DIRECT_ACCESS_REQUEST_TIMEOUT")
    ] = 3600
    """Seconds without a byte after which a direct access is given up."""

    system_prompt: Annotated[str | None, FromParam("system_prompt")] = None
    """Said to the model before each prompt of a table."""

    max_tokens: Annotated[int | None, Field(ge=1), FromParam("max_tokens")] = None
    """Tokens of an answer to a prompt of a table; without it the inference server decides."""

    n: Annotated[int, Field(ge=1, le=128), FromParam("n")] = 1
    """Answers to each prompt of a table; those after the first are extra columns."""

    temperature: Annotated[float | None, Field(ge=0, le=2), FromParam("temperature")] = None
    """Temperature for the prompts of a table; without it the inference server decides."""

    served_model_name: Annotated[str, FromParam("served_model_name")] = DEPLOYED_LLM
    """Name under which a started inference server serves its model."""

    verify_ssl: Annotated[bool, FromParam("verifySSL")] = True
    """Check the certificate of the platform that status events are sent to."""

    max_watchdog_restarts: Annotated[
        int, Field(ge=0, le=10_000), FromParam("max_watchdog_restarts")
    ] = 10
    """Times that an inference server that died is started again."""

    max_watchdog_backoff: Annotated[
        float, Field(ge=0, le=86_400), FromParam("max_watchdog_backoff_sec")
    ] = 300
    """Seconds at most between its death and its next start."""

    gpu_count: Annotated[int | None, Field(ge=0), FromParam(None, env="GPU_COUNT")] = None
    """GPUs of this machine; a NIM that is started needs it."""

    nim_host: Annotated[str | None, FromParam("DR_NIM_SERVER_HOST")] = None
    """Host of the NIM; comes before `OPENAI_HOST`."""

    nim_port: Annotated[Port | None, FromParam("DR_NIM_SERVER_PORT", stops_on="anything")] = None
    """Port of the NIM; comes before `OPENAI_PORT`."""

    nim_health_route: Annotated[str, FromParam("DR_NIM_HEALTH_ROUTE")] = "/v1/health/ready"
    """Path that tells whether the NIM is ready."""

    ngc_api_key: Annotated[
        Secret | None, Field(repr=False, exclude=True), FromParam("NGC_API_KEY")
    ] = None
    """Key with which a NIM loads its model; given to it in its environment only."""

    nim_model_profile: Annotated[str | None, FromParam("NIM_MODEL_PROFILE")] = None
    """Profile of a NIM that is started."""

    nim_max_model_len: Annotated[int | None, Field(ge=1), FromParam("NIM_MAX_MODEL_LEN")] = None
    """Context length of a NIM that is started."""

    nim_log_level: Annotated[str | None, FromParam("NIM_LOG_LEVEL")] = None
    """Log level of a NIM that is started."""

    hugging_face_token: Annotated[
        Secret | None,
        Field(repr=False, exclude=True),
        FromParam("HuggingFaceToken", env="HF_TOKEN"),
    ] = None
    """Token with which vLLM loads its model; given to it in its environment only."""

    model: Annotated[str | None, FromParam("model")] = None
    """Model that vLLM loads when neither `engine_config.json` nor a folder `vllm` has one."""

    max_model_len: Annotated[int | None, Field(ge=1), FromParam("max_model_len")] = None
    """Context length of a vLLM that is started."""

    gpu_memory_utilization: Annotated[
        float | None, Field(gt=0, le=1), FromParam("gpu_memory_utilization")
    ] = None
    """Share of the GPUs' memory that a vLLM that is started may take."""

    default_parallelism: Annotated[
        Literal["tp", "pp"], BeforeValidator(checks.lower), FromParam("default_parallelism")
    ] = "tp"
    """How vLLM uses several GPUs: `tp` splits tensors, `pp` the pipeline."""

    endpoint: Annotated[str | None, FromParam(None, env="DATAROBOT_ENDPOINT")] = None
    """Platform that is told of the start of an inference server; needs the next two as well."""

    api_token: Annotated[
        str | None,
        Field(repr=False, exclude=True),
        FromParam(None, env="DATAROBOT_API_TOKEN"),
    ] = None
    """Token for the platform."""

    deployment_id: Annotated[str | None, FromParam(None, env="MLOPS_DEPLOYMENT_ID")] = None
    """Deployment that the status events are about."""

    virtual_env: Annotated[str | None, FromParam(None, env="VIRTUAL_ENV")] = None
    """Environment whose `bin` is not in the `PATH` of a started inference server."""

    @classmethod
    def load(
        cls, environ: Mapping[str, str] | None = None, *, warn: bool = True
    ) -> InferenceSettings:
        """Read every setting, as `Settings.load` does."""
        return load_model(cls, os.environ if environ is None else environ, {}, warn=warn)
