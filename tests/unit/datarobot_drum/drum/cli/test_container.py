"""What is told when there is no engine, no image, or an image without `drum`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.stand_ins.engine import Engine

from datarobot_drum.drum.cli import container
from datarobot_drum.drum.cli.parser import parse
from datarobot_drum.drum.errors import DrumError

Args = Callable[..., Namespace]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine(tmp_path / "engine")
    for name, value in engine.environ.items():
        monkeypatch.setenv(name, value)
    return engine


@pytest.fixture
def args(tmp_path: Path) -> Args:
    """`args(*words, docker=…)` is the command line of a run that ends well at once."""
    (tmp_path / "model").mkdir()
    (tmp_path / "rows.csv").write_text("a\n1\n")
    (tmp_path / "model" / "custom.py").write_text(
        "import pandas as pd\ndef load_model(d): return 1\n"
        "def score(data, model): return pd.DataFrame({'Predictions': data['a']})\n"
    )

    def args(*words: str, docker: str = "my/image") -> Namespace:
        place = ["--code-dir", str(tmp_path / "model"), "--input", str(tmp_path / "rows.csv")]
        kind = ["--target-type", "regression", "--output", str(tmp_path / "out.csv")]
        return parse(["score", *place, *kind, "--docker", docker, *words], {})

    return args


def test_memory_and_secrets_of_options_reach_the_engine(engine: Engine, args: Args, tmp_path: Path):
    assert container.run(args("--memory", "2g", "--api-token", "hunter2")) == 0
    assert engine.values("--memory") == engine.values("--memory-swap") == ["2g"]
    assert "API_TOKEN" in engine.values("-e")
    assert not any("hunter2" in word for word in engine.command)
    assert (tmp_path / "out.csv").read_text() == "Predictions\n1\n"


def test_certificate_of_the_settings_is_mounted(
    engine: Engine, args: Args, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "cert.pem").touch()
    monkeypatch.setenv("DRUM_SSL_CERTFILE", str(tmp_path / "cert.pem"))
    assert container.run(args()) == 0
    assert f"{tmp_path / 'cert.pem'}:{tmp_path / 'cert.pem'}:ro" in engine.values("-v")
    assert "DRUM_SSL_CERTFILE" in engine.values("-e")


def test_unknown_image_is_told(engine: Engine, args: Args):
    message = "The string 'no/such' does not represent a docker image in your registry or a dir"
    with pytest.raises(DrumError, match=message):
        container.run(args(docker="no/such"))


def test_engine_without_its_service_is_told(engine: Engine, args: Args):
    (engine.folder / "down").touch()
    with pytest.raises(DrumError, match="docker cannot be used: Cannot connect to the Docker"):
        container.run(args())


def test_missing_engine_is_told(args: Args, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DrumError, match="there is no program docker or podman; install one"):
        container.run(args())


@pytest.mark.parametrize("name", ["podman", "lxc"])
def test_engine_can_be_chosen(
    name: str, engine: Engine, args: Args, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DRUM_CONTAINER_ENGINE", name)
    (engine.folder / "down").touch()
    expected = "podman cannot be used" if name == "podman" else "there is no program lxc"
    with pytest.raises(DrumError, match=expected):
        container.run(args())


def test_image_without_drum_is_told(engine: Engine, args: Args):
    (engine.folder / "version").write_text("")
    with pytest.raises(DrumError, match="Unable to determine DRUM version in my/image"):
        container.run(args())


def test_other_version_in_the_image_is_a_warning(
    engine: Engine, args: Args, caplog: pytest.LogCaptureFixture
):
    (engine.folder / "version").write_text("0.0.1")
    assert container.run(args()) == 0
    assert "in the image my/image it is 0.0.1" in caplog.text


def test_engine_that_does_not_answer_is_told(
    engine: Engine, args: Args, monkeypatch: pytest.MonkeyPatch
):
    (engine.folder / "docker").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(container, "PATIENCE", 0.05)
    with pytest.raises(DrumError, match="did not answer within"):
        container.run(args())


def test_server_needs_a_port(tmp_path: Path):
    words = ["--code-dir", str(tmp_path), "--address", "localhost", "--docker", "my/image"]
    with pytest.raises(DrumError, match="when using the docker option provide argument --address"):
        container.run(parse(["server", *words], {}))


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "My" / "Context").mkdir(parents=True)
    (tmp_path / "My" / "Context" / "Dockerfile").write_text("FROM scratch\n")
    return tmp_path / "My" / "Context"


@pytest.mark.parametrize("requirements", [None, "numpy\n"])
def test_requirements_are_left_out_where_asked(
    requirements: str | None, engine: Engine, args: Args, context: Path, tmp_path: Path
):
    if requirements is not None:
        (tmp_path / "model" / "requirements.txt").write_text(requirements)
    words = ["--skip-deps-install"] if requirements else []
    assert container.run(args(*words, docker=str(context))) == 0
    assert (engine.folder / "built").read_text() == "FROM scratch\n"
    assert "my/context" in engine.command


def test_requirements_of_other_languages_are_left_out(
    engine: Engine, args: Args, context: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    (tmp_path / "model" / "requirements.txt").write_text("x\n")
    (context / "Dockerfile").write_text("FAIL")
    with pytest.raises(DrumError):
        container.run(args("--language", "java", docker=str(context)))
    assert "it is not supported for language 'java'" in capfd.readouterr().err


def test_image_that_cannot_be_built_is_told(engine: Engine, args: Args, context: Path):
    (context / "Dockerfile").write_text("FAIL")
    with pytest.raises(DrumError, match="cannot be built: the build ended with 4"):
        container.run(args(docker=str(context)))


def test_folder_without_a_dockerfile_is_told(engine: Engine, args: Args, context: Path):
    (context / "Dockerfile").unlink()
    with pytest.raises(DrumError, match="has no Dockerfile"):
        container.run(args(docker=str(context)))
