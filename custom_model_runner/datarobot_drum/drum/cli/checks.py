"""Options that miss a companion, exclude each other, or ask for a part that is not there."""

from __future__ import annotations

import importlib.util
import logging
from argparse import Namespace
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from datarobot_drum.drum.enum import RUNTIME_PARAM_PREFIX, TargetType
from datarobot_drum.drum.errors import DrumError, OptionConflict
from datarobot_drum.drum.platform_services.extras import DATAROBOT, MLOPS, S3

logger = logging.getLogger("drum.cli")

UNSTRUCTURED = TargetType.UNSTRUCTURED.value
ANOMALY = TargetType.ANOMALY.value
TRANSFORM = TargetType.TRANSFORM.value

_WORKER_VARIABLES = (
    "MAX_WORKERS",
    "CUSTOM_MODEL_WORKERS",
    f"{RUNTIME_PARAM_PREFIX}CUSTOM_MODEL_WORKERS",
)

_MONITOR_NEEDS = ("model_id", "deployment_id", "monitor_settings")
_EMBEDDED_NEEDS = ("model_id", "deployment_id", "webserver", "api_token")
_API_NEEDS = ("webserver", "api_token")


def check_options(args: Namespace, environ: Mapping[str, str]) -> None:
    """Refuse a command line that cannot work, with OptionConflict; reads only the metadata."""
    if getattr(args, "strict_metadata", False):
        from datarobot_drum.drum.model_folder import check_strict_metadata

        check_strict_metadata(args.code_dir)
    target_type = declared_target_type(args)
    for check in _CHECKS:
        check(args, target_type, environ)


def declared_target_type(args: Namespace) -> str | None:
    """The target type of the command line, else of the metadata file if that can be read."""
    given: str | None = getattr(args, "target_type", None)
    if given is not None or args.command in ("new", "push"):
        return given
    from datarobot_drum.drum.model_folder import read_metadata

    try:
        metadata = read_metadata(args.code_dir)
    except (DrumError, OSError):
        return None  # the load of the model reports it, on the error server if there is one
    return metadata.target_type.value if metadata else None


def refuse_missing_parts(args: Namespace) -> None:
    """End the command when it asks for a part that this installation does not have.

    Monitoring and API access that only a variable of the platform asks for are left out with a
    warning, so that an image made for the platform runs elsewhere.
    """
    if path := getattr(args, "lazy_loading_file", None):
        from datarobot_drum.drum.platform_services.lazy_loading import check_file

        check_file(path)
    if getattr(args, "docker", None):
        return  # the image has its own extras
    for dest, extra in _EXTRAS.items():
        if not getattr(args, dest, None) or extra.is_installed:
            continue
        if dest not in args.from_environment or dest not in _OPTIONAL_PARTS:
            raise DrumError(f"{_option(dest)}: {extra.advice}")
        logger.warning("%s is ignored: %s", _option(dest), extra.advice)
        setattr(args, dest, False)


def _option(dest: str) -> str:
    return f"--{dest.replace('_', '-')}"


_EXTRAS = {
    "monitor": MLOPS,
    "monitor_embedded": MLOPS,
    "allow_dr_api_access": DATAROBOT,
    "lazy_loading_file": S3,
}
_OPTIONAL_PARTS = frozenset({"monitor", "monitor_embedded", "allow_dr_api_access"})


def _check_perf_test(args: Namespace, target_type: str | None, _: Mapping[str, str]) -> None:
    if args.command == "perf-test" and target_type == UNSTRUCTURED:
        raise OptionConflict("Performance testing is not implemented for unstructured models.")


def _check_production(args: Namespace, _: str | None, environ: Mapping[str, str]) -> None:
    if not getattr(args, "production", False) or args.max_workers:
        return
    if not any(environ.get(name) for name in _WORKER_VARIABLES):
        raise OptionConflict(
            "Production mode requires a non-zero number of workers [--max-workers > 0]."
        )


def _check_fit_target(args: Namespace, target_type: str | None, _: Mapping[str, str]) -> None:
    if args.command != "fit":
        return
    if target_type == UNSTRUCTURED:
        raise OptionConflict(
            "drum fit cannot train unstructured models; use drum score or drum server with an "
            "artifact that was trained elsewhere."
        )
    has_target = args.target is not None or args.target_csv is not None
    if target_type == ANOMALY and has_target:
        raise OptionConflict(
            "Arguments '--target' and '--target-csv' are mutually exclusive with 'anomaly' "
            "target type."
        )
    if target_type not in (ANOMALY, TRANSFORM, None) and not has_target:
        raise OptionConflict(
            f"With target type '{target_type}', target feature has to be provided using "
            "'--target' or '--target-csv' argument."
        )


def _check_docker(args: Namespace, _: str | None, __: Mapping[str, str]) -> None:
    if getattr(args, "skip_deps_install", False) and not args.docker:
        raise OptionConflict(
            "Argument '--skip-deps-install' can only be used together with '--docker'."
        )


def _check_memory(args: Namespace, _: str | None, __: Mapping[str, str]) -> None:
    if getattr(args, "memory", None) and not args.docker:
        raise OptionConflict("Argument '--memory' can only be used together with '--docker'.")


def _check_unstructured_only(
    args: Namespace, target_type: str | None, _: Mapping[str, str]
) -> None:
    if target_type in (UNSTRUCTURED, None):
        return
    for dest, option in (("query", "--query"), ("content_type", "--content-type")):
        if getattr(args, dest, None) is not None:
            raise OptionConflict(
                f"{option} argument can be used only with --target-type unstructured"
            )


def _check_monitoring(args: Namespace, target_type: str | None, _: Mapping[str, str]) -> None:
    if getattr(args, "monitor", False):
        if target_type == UNSTRUCTURED:
            raise OptionConflict("Error: MLOps monitoring can not be used in unstructured mode.")
        needs: tuple[str, ...] = _MONITOR_NEEDS
    elif getattr(args, "monitor_embedded", False):
        if target_type not in (UNSTRUCTURED, None):
            raise OptionConflict(
                "Error: MLOps embedded monitoring is supported for unstructured modes only."
            )
        needs = _EMBEDDED_NEEDS
    else:
        return
    if missing := _missing(args, needs):
        raise OptionConflict(
            "\nError: MLOps Monitoring requires all monitoring options to be present.\n"
            "Note: The following MLOps monitoring option(s) is/are missing:\n"
            f"{missing}\n\n{_ALSO_BY_VARIABLES}\n\n{args.format_help()}"
        )


def _check_api_access(args: Namespace, _: str | None, __: Mapping[str, str]) -> None:
    if getattr(args, "allow_dr_api_access", False) and (missing := _missing(args, _API_NEEDS)):
        raise OptionConflict(
            "\nError: DataRobot APIs access requires certain option(s) that are missing.\n"
            f"Missing options:\n{missing}\n\n{_ALSO_BY_VARIABLES}\n\n{args.format_help()}"
        )


_ALSO_BY_VARIABLES = "These options can also be obtained via environment variables."


def _missing(args: Namespace, needs: tuple[str, ...]) -> str:
    missing = [name for name in needs if not getattr(args, name)]
    return "\n".join(f"  --{name.replace('_', '-')}" for name in missing)


def _check_triton(args: Namespace, _: str | None, __: Mapping[str, str]) -> None:
    if not hasattr(args, "triton_host"):
        return
    host = urlsplit(args.triton_host)
    if not host.scheme or not host.netloc:
        raise OptionConflict(
            "\nError: Triton Host URL must contain scheme and netloc\n" + args.format_help()
        )
    ports = {_port(args.triton_http_port), _port(args.triton_grpc_port)}
    if 0 in ports or len(ports) != 2:
        raise OptionConflict(
            "\nError: Triton HTTP port or GRPc port configuration is incorrect. "
            "Use two different numbers above 0.\n" + args.format_help()
        )


def _port(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _check_gpu(args: Namespace, _: str | None, __: Mapping[str, str]) -> None:
    if getattr(args, "gpu_predictor", None) not in ("vllm", "nim"):
        return
    if getattr(args, "with_error_server", False):
        return  # the load of the model reports it, on the error server
    if importlib.util.find_spec("openai") is None:
        raise DrumError("OpenAI Python SDK is not installed; run: pip install 'opendrum[openai]'")


_CHECKS: tuple[Callable[[Namespace, str | None, Mapping[str, str]], None], ...] = (
    _check_perf_test,
    _check_production,
    _check_fit_target,
    _check_docker,
    _check_memory,
    _check_unstructured_only,
    _check_monitoring,
    _check_api_access,
    _check_triton,
    _check_gpu,
)
