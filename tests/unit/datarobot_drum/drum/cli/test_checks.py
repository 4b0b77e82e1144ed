"""Options that do not go together are told on stdout; parts that are missing in one line."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from datarobot_drum.drum.cli import checks
from datarobot_drum.drum.cli.parser import parse
from datarobot_drum.drum.errors import DrumError, OptionConflict


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data.csv").write_text("a\n1\n")
    return tmp_path


@pytest.fixture
def args_of(folder):
    """Parse `command` for an example folder, with more words and variables."""

    def parsed(command, *words, environ=None):
        place = ["--address", "localhost:1"] if command == "server" else []
        if command not in ("server", "push"):
            place = ["--input", str(folder / "data.csv")]
        return parse([command, "--code-dir", str(folder), *place, *words], environ or {})

    return parsed


@pytest.mark.parametrize(
    ("command", "words", "message"),
    [
        ("perf-test", "--target-type unstructured", "Performance testing is not implemented"),
        ("server", "--production", "Production mode requires a non-zero number of workers"),
        ("fit", "--target-type anomaly --target y", "mutually exclusive with 'anomaly'"),
        ("fit", "--target-type regression", "With target type 'regression', target feature"),
        ("score", "--skip-deps-install", "can only be used together with '--docker'"),
        ("score", "--memory 1g", "'--memory' can only be used together with '--docker'"),
        ("push", "--memory 1g", "'--memory' can only be used together with '--docker'"),
        ("score", "--target-type regression --query a=1", "--query argument can be used only"),
        ("score", "--target-type anomaly --content-type a/b", "--content-type argument can be"),
        ("score", "--target-type unstructured --monitor", "can not be used in unstructured mode"),
        ("score", "--target-type regression --monitor-embedded", "unstructured modes only"),
        ("score", "--triton-host nohost", "Triton Host URL must contain scheme and netloc"),
        ("score", "--triton-http-port 8001", "Triton HTTP port or GRPc port configuration"),
        ("score", "--triton-grpc-port x", "Triton HTTP port or GRPc port configuration"),
    ],
)
def test_options_that_do_not_go_together_are_refused(command, words, message, args_of):
    with pytest.raises(OptionConflict, match=".*") as conflict:
        checks.check_options(args_of(command, *words.split()), {})
    assert message in str(conflict.value)


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ("--monitor --model-id m", "  --deployment-id\n  --monitor-settings\n"),
        ("--monitor-embedded --model-id m --deployment-id d", "  --webserver\n  --api-token\n"),
        ("--allow-dr-api-access --webserver http://h", "Missing options:\n  --api-token\n"),
    ],
)
def test_missing_companions_are_listed_above_the_help(words, missing, args_of):
    with pytest.raises(OptionConflict) as conflict:
        checks.check_options(args_of("score", *words.split()), {})
    assert missing in str(conflict.value)
    assert "usage: drum score" in str(conflict.value)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("score", "--target-type regression"),
        ("score", "--query a=1"),
        ("server", "--production --max-workers 2"),
        ("fit", "--target-type transform"),
        ("fit", "--target-type anomaly"),
        ("push", ""),
    ],
)
def test_options_that_go_together_pass(command, words, args_of):
    checks.check_options(args_of(command, *words.split()), {})


@pytest.mark.parametrize("name", ["MAX_WORKERS", "MLOPS_RUNTIME_PARAM_CUSTOM_MODEL_WORKERS"])
def test_production_takes_the_number_of_workers_from_a_variable(name, args_of):
    checks.check_options(args_of("server", "--production"), {name: "2"})


def test_target_type_of_the_metadata_counts(args_of, folder):
    (folder / "model-metadata.yaml").write_text(
        "name: m\ntype: inference\ntargetType: regression\n"
    )
    assert checks.declared_target_type(args_of("score")) == "regression"
    with pytest.raises(OptionConflict, match="--query argument"):
        checks.check_options(args_of("score", "--query", "a=1"), {})


def test_broken_metadata_is_left_to_the_loading_of_the_model(args_of, folder):
    (folder / "model-metadata.yaml").write_text("targetType: [")
    assert checks.declared_target_type(args_of("score")) is None


@pytest.mark.parametrize("name", ["vllm", "nim"])
def test_gpu_predictor_without_its_client_ends_the_command(name, args_of, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    args = args_of("score", "--gpu-predictor", name)
    with pytest.raises(DrumError, match=r"OpenAI Python SDK is not installed.*opendrum\[openai\]"):
        checks.check_options(args, {})


def test_gpu_predictor_without_its_client_is_told_by_the_error_server(args_of, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    words = ("--gpu-predictor", "nim", "--with-error-server")
    checks.check_options(args_of("server", *words), {})


@pytest.mark.parametrize("name", ["vllm", "triton"])
def test_gpu_predictor_with_its_client_is_allowed(name, args_of, monkeypatch):
    client = ModuleType("openai")
    client.__spec__ = ModuleSpec("openai", None)
    monkeypatch.setitem(sys.modules, "openai", client if name == "vllm" else None)
    args = args_of("score", "--gpu-predictor", name)
    checks.check_options(args, {})
    checks.refuse_missing_parts(args)


EXTRAS = {
    "--monitor": ("datarobot_mlops", "mlops"),
    "--monitor-embedded": ("datarobot_mlops", "mlops"),
    "--allow-dr-api-access": ("datarobot", "datarobot"),
}


@pytest.mark.parametrize("option", EXTRAS)
def test_service_without_its_extra_ends_the_command_with_the_line_to_install_it(
    option, args_of, monkeypatch
):
    library, extra = EXTRAS[option]
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(DrumError) as error:
        checks.refuse_missing_parts(args_of("score", option))
    assert str(error.value).startswith(f"{option}: ")
    assert f"pip install 'opendrum[{extra}]'" in str(error.value)


def test_image_has_its_own_extras(args_of, monkeypatch):
    monkeypatch.setitem(sys.modules, "datarobot_mlops", None)
    checks.refuse_missing_parts(args_of("score", "--monitor", "--docker", "image"))


@pytest.mark.parametrize("option", EXTRAS)
def test_service_with_its_extra_passes(option, args_of):
    checks.refuse_missing_parts(args_of("score", option))


def test_monitoring_asked_for_by_the_platform_is_left_out(args_of, caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "datarobot_mlops", None)
    args = args_of("score", environ={"MONITOR": "1"})
    checks.refuse_missing_parts(args)
    assert "--monitor is ignored" in caplog.text
    assert not args.monitor


GOOD_FILE = """
files: [{remotePath: a, localPath: b, repositoryId: c}]
repositories: [{repositoryId: c, bucketName: d, credentialId: e}]
"""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("files: []\nrepositories: []\n", "Invalid lazy loading content. 'files' must list"),
        ("- a\n", "Invalid lazy loading content. It must hold"),
        ("a: [", "Invalid lazy loading content. "),
        (GOOD_FILE, "pip install 'opendrum[s3]'"),
    ],
)
def test_lazy_loading_file_is_checked_before_its_extra(
    content, message, args_of, folder, monkeypatch
):
    monkeypatch.setitem(sys.modules, "boto3", None)
    (folder / "lazy.yaml").write_text(content)
    with pytest.raises(DrumError) as error:
        checks.refuse_missing_parts(
            args_of("score", "--lazy-loading-file", str(folder / "lazy.yaml"))
        )
    assert message in str(error.value)


def test_loose_metadata_are_refused_on_request(tmp_path):
    text = "name: n\ntype: training\ntargetType: regression\ncolour: red\n"
    (tmp_path / "model-metadata.yaml").write_text(text)
    line = ["score", "-cd", str(tmp_path), "--input", str(tmp_path / "model-metadata.yaml")]
    checks.check_options(parse(line, {}), {})
    with pytest.raises(DrumError, match="unknown key 'colour'"):
        checks.check_options(parse([*line, "--strict-metadata"], {}), {})
