"""Arguments of the parts outside the core: containers, the platform, inference servers."""

from __future__ import annotations

from datarobot_drum.drum.cli.argument import FLAG, Argument, choice, named

_DOCKER = (
    Argument(
        "docker",
        ("--docker",),
        "SFPVWU",
        "run in this image, or in one built from this folder",
        named("IMAGE|DIR"),
    ),
    Argument(
        "docker",
        ("--skip-deps-install",),
        "SFPVWU",
        "with --docker DIR: do not install the model's requirements.txt",
        FLAG,
        False,
    ),
    Argument("docker", ("--memory",), "SFPVWU", "memory of the container", named("AMOUNT")),
)

_PLATFORM = (
    Argument(
        "platform",
        ("--user-secrets-mount-path",),
        "SFWU",
        "folder with user secrets",
        named("DIR"),
        env=("USER_SECRETS_MOUNT_PATH",),
    ),
    Argument(
        "platform",
        ("--user-secrets-prefix",),
        "SFWU",
        "prefix of variables with user secrets",
        named("PREFIX"),
        env=("USER_SECRETS_PREFIX",),
    ),
    Argument(
        "platform",
        ("--monitor",),
        "SW",
        "report predictions to the platform",
        FLAG,
        False,
        env=("MONITOR",),
        exclusive="monitor",
    ),
    Argument(
        "platform",
        ("--monitor-embedded",),
        "SW",
        "give an unstructured model the means to report by itself",
        FLAG,
        False,
        env=("MLOPS_REPORTING_FROM_UNSTRUCTURED_MODELS",),
        exclusive="monitor",
    ),
    Argument(
        "platform",
        ("--deployment-id",),
        "SW",
        "deployment to report for",
        named("ID"),
        env=("DEPLOYMENT_ID", "MLOPS_DEPLOYMENT_ID"),
    ),
    Argument(
        "platform",
        ("--model-id",),
        "SW",
        "model to report for",
        named("ID"),
        env=("MODEL_ID", "MLOPS_MODEL_ID"),
    ),
    Argument(
        "platform",
        ("--monitor-settings",),
        "SW",
        "where and how to report",
        named("SETTINGS"),
        env=("MONITOR_SETTINGS",),
    ),
    Argument(
        "platform",
        ("--allow-dr-api-access",),
        "SW",
        "let the model's code call the platform's API; needs --webserver and --api-token",
        FLAG,
        False,
        env=("ALLOW_DR_API_ACCESS_FOR_ALL_CUSTOM_MODELS",),
    ),
    Argument(
        "platform",
        ("--webserver",),
        "SW",
        "address of the platform",
        named("URL"),
        env=("EXTERNAL_WEB_SERVER_URL",),
    ),
    Argument(
        "platform",
        ("--api-token",),
        "SW",
        "token for the platform; better given as API_TOKEN",
        named("TOKEN"),
        env=("API_TOKEN",),
    ),
)

_GPU = (
    Argument(
        "gpu", ("--gpu-predictor",), "SW", "inference server", choice("triton", "nim", "vllm")
    ),
    Argument("gpu", ("--sidecar",), "SW", "the inference server already runs", FLAG, False),
    Argument(
        "gpu",
        ("--triton-host",),
        "SW",
        "address of Triton; default: http://localhost",
        named("URL"),
        "http://localhost",
        env=("TRITON_HOST",),
    ),
    Argument(
        "gpu",
        ("--triton-http-port",),
        "SW",
        "HTTP port of Triton; default: 8000",
        named("PORT"),
        "8000",
        env=("TRITON_HTTP_PORT",),
    ),
    Argument(
        "gpu",
        ("--triton-grpc-port",),
        "SW",
        "gRPC port of Triton; default: 8001",
        named("PORT"),
        "8001",
        env=("TRITON_GRPC_PORT",),
    ),
)

PLATFORM_ARGUMENTS = (*_DOCKER, *_PLATFORM, *_GPU)
