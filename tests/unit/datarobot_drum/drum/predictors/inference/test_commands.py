"""Command lines and environments that start inference servers."""

from __future__ import annotations

import json

import pytest

from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.predictors.inference import commands
from datarobot_drum.drum.predictors.inference.kinds import KINDS
from datarobot_drum.drum.settings import InferenceSettings

START = ("python3", "-m", "vllm.entrypoints.openai.api_server", "--port", "9999")
NAMED = (*START, "--served-model-name", "datarobot-deployed-llm")


def settings(**environ: str) -> InferenceSettings:
    return InferenceSettings.load(environ)


@pytest.fixture
def config(tmp_path):
    def write(value) -> str:
        text = value if isinstance(value, str) else json.dumps(value)
        (tmp_path / "engine_config.json").write_text(text)
        return str(tmp_path)

    return write


def test_vllm_takes_the_model_of_the_parameter(tmp_path):
    command = commands.vllm(str(tmp_path), settings(model="org/m"))
    assert command.arguments == (*NAMED, "--model", "org/m")
    assert command.environment == {}


def test_vllm_takes_the_folder_before_the_parameter(tmp_path):
    (tmp_path / "vllm").mkdir()
    command = commands.vllm(str(tmp_path), settings(model="org/m"))
    assert command.arguments[-2:] == ("--model", str(tmp_path / "vllm"))


@pytest.mark.parametrize("args", [["--model", "own"], ["--model=own"]])
def test_vllm_takes_the_model_of_the_arguments_before_all(config, args):
    command = commands.vllm(config({"args": args}), settings(model="org/m"))
    assert command.arguments == (*NAMED, *args)


def test_vllm_without_a_model_cannot_be_started(tmp_path):
    with pytest.raises(StartupError, match="no model to load"):
        commands.vllm(str(tmp_path), settings())


def test_vllm_takes_limits_unless_the_arguments_have_them(config):
    told = settings(model="m", max_model_len="100", gpu_memory_utilization="0.5")
    command = commands.vllm(config({"args": ["--max-model-len", "7"]}), told)
    own = ("--model", "m", "--gpu-memory-utilization", "0.5", "--max-model-len", "7")
    assert command.arguments == (*NAMED, *own)


@pytest.mark.parametrize(
    ("gpus", "parallelism", "args", "expected"),
    [
        ("1", "tp", [], ()),
        ("0", "tp", [], ()),
        ("4", "tp", [], ("-tp", "4")),
        ("4", "PP", [], ("-pp", "4")),
        ("4", "tp", ["-tp", "2"], ()),
        ("4", "tp", ["-pp=2"], ()),
        ("4", "tp", ["--tensor-parallel-size", "2"], ()),
        ("4", "tp", ["--pipeline-parallel-size=2"], ()),
    ],
)
def test_vllm_uses_all_gpus_unless_the_arguments_say_how_many(
    config, gpus, parallelism, args, expected
):
    told = settings(model="m", GPU_COUNT=gpus, default_parallelism=parallelism)
    command = commands.vllm(config({"args": args}), told)
    assert command.arguments == (*NAMED, "--model", "m", *expected, *args)


def test_vllm_gets_its_token_in_the_environment_only(tmp_path):
    credential = {"credentialType": "api_token", "apiToken": "secret"}
    text = json.dumps({"type": "credential", "payload": credential})
    told = settings(model="m", MLOPS_RUNTIME_PARAM_HuggingFaceToken=text)
    command = commands.vllm(str(tmp_path), told)
    assert command.environment == {"HF_TOKEN": "secret"}
    assert "secret" not in f"{command.arguments}{command}{told}"


def test_nim_gets_everything_in_its_environment(tmp_path):
    told = settings(
        GPU_COUNT="1",
        NGC_API_KEY="key",
        NIM_MODEL_PROFILE="p",
        NIM_MAX_MODEL_LEN="10",
        NIM_LOG_LEVEL="DEBUG",
        DR_NIM_SERVER_PORT="8000",
        served_model_name="mine",
    )
    command = commands.nim(str(tmp_path), told)
    assert command.arguments == (commands.NIM_ENTRY_POINT, commands.NIM_START_SCRIPTS[-1])
    assert command.environment == {
        "NIM_SERVED_MODEL_NAME": "mine",
        "NIM_SERVER_PORT": "8000",
        "NIM_MODEL_PROFILE": "p",
        "NIM_MAX_MODEL_LEN": "10",
        "NIM_LOG_LEVEL": "DEBUG",
        "NGC_API_KEY": "key",
    }
    assert "key" not in f"{command}{told}"


def test_nim_takes_its_newer_start_script_where_there_is_one(tmp_path, monkeypatch):
    (tmp_path / "new").touch()
    scripts = (str(tmp_path / "new"), str(tmp_path / "old"))
    monkeypatch.setattr(commands, "NIM_START_SCRIPTS", scripts)
    command = commands.nim(str(tmp_path), settings(GPU_COUNT="1", NGC_API_KEY="k"))
    assert command.arguments[-1] == scripts[0]


def test_nim_with_a_model_of_its_own_needs_no_key(tmp_path, config):
    (tmp_path / "model-repo").mkdir()
    code_dir = config({"env": {"NIM_SERVER_PORT": 1, "A": "b"}})
    command = commands.nim(code_dir, settings(GPU_COUNT="1"))
    assert command.environment["NIM_MODEL_NAME"] == str(tmp_path / "model-repo")
    assert (command.environment["NIM_SERVER_PORT"], command.environment["A"]) == ("1", "b")


@pytest.mark.parametrize(
    ("environ", "message"),
    [({}, "GPU_COUNT is not set"), ({"GPU_COUNT": "1"}, "NGC_API_KEY; add one of them")],
)
def test_nim_that_misses_something_cannot_be_started(tmp_path, environ, message):
    with pytest.raises(StartupError, match=message):
        commands.nim(str(tmp_path), settings(**environ))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "cannot read"),
        ([], "must hold a JSON object"),
        ({"args": "--model m"}, "'args' must be a list"),
    ],
)
def test_engine_config_that_is_wrong_ends_the_start(config, value, message):
    with pytest.raises(StartupError, match=message):
        commands.vllm(config(value), settings(model="m"))


def test_engine_environment_that_is_wrong_ends_the_start(config):
    told = settings(GPU_COUNT="1", NGC_API_KEY="k")
    with pytest.raises(StartupError, match="'env' must be an object"):
        commands.nim(config({"env": ["A=b"]}), told)


def test_child_finds_its_own_python(tmp_path):
    environ = {"PATH": "/venv/bin:/usr/bin:/venv/bin/", "VIRTUAL_ENV": "/venv", "A": "1"}
    child = commands.child_environment(environ, {"B": "2"}, "/venv/")
    assert child == {"PATH": "/usr/bin", "A": "1", "B": "2"}
    own = {"PATH": "/own", "VIRTUAL_ENV": "/mine"}
    assert commands.child_environment(environ, own, "/venv") == {**own, "A": "1"}
    assert commands.child_environment(environ, {}, None) == environ


@pytest.mark.parametrize(
    ("kind", "environ", "address", "health"),
    [
        ("nim", {}, "http://localhost:9999", "/v1/health/ready"),
        ("nim", {"OPENAI_HOST": "a", "OPENAI_PORT": "1"}, "http://a:1", "/v1/health/ready"),
        (
            "nim",
            {"DR_NIM_SERVER_HOST": "b", "DR_NIM_SERVER_PORT": "2", "DR_NIM_HEALTH_ROUTE": "/h"},
            "http://b:2",
            "/h",
        ),
        ("vllm", {"OPENAI_HOST": "::1"}, "http://[::1]:9999", "/health"),
    ],
)
def test_server_is_where_the_settings_say(kind, environ, address, health):
    upstream = KINDS[kind].upstream(settings(**environ))
    assert (upstream.address, upstream.health_path) == (address, health)
