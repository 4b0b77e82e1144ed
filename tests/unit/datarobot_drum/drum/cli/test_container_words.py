"""What is said on a command line is said inside the container as well, option by option."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from datarobot_drum.drum.cli import values
from datarobot_drum.drum.cli.argument import Argument
from datarobot_drum.drum.cli.arguments import arguments_of
from datarobot_drum.drum.cli.container_options import LEFT_OUT, Inside, inside
from datarobot_drum.drum.cli.parser import parse

COMMANDS = ("score", "fit", "perf-test", "validation", "server")
REQUIRED = {"code_dir": "folder", "input": "file", "address": "127.0.0.1:80"}
#: A value of each type; files and folders are those of `places`.
VALUES: dict[object, str] = {
    values.existing_file: "file",
    values.labels_file: "file",
    values.existing_dir: "folder",
    values.fit_output_dir: "folder",
    values.any_path: "new.txt",
    values.any_path_or_stdout: "new.txt",
    values.positive_int: "7",
    values.row_count: "7",
    values.clients: "7",
    values.rates: "1,2.5",
    values.server_types: "flask,gunicorn",
    values.address: "127.0.0.1:80",
}
#: What cannot be the same inside, or is told by another option.
OTHERWISE = {"docker", "from_environment", "format_help", "command_line", "address"}
LABELS = {"class_labels", "class_labels_file"}
OPTIONS = [
    pytest.param(command, argument, id=f"{command} {argument.flags[-1]}")
    for command in COMMANDS
    for argument in arguments_of(command)
    if argument.dest not in LEFT_OUT
]


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a file and a folder."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("a b\nc\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words_of(argument: Argument) -> list[str]:
    """The option with a value that is not its default."""
    option = argument.flags[-1]
    if argument.dest.endswith("_class_label"):
        return ["--positive-class-label=- a", "--negative-class-label=b c"]
    if argument.is_flag:
        return [option]
    if argument.is_list:
        return [option, "a b", "c"]
    if names := argument.kind.get("choices"):
        return [option, next(name for name in names if name != argument.default)]
    if argument.dest == "user_secrets_mount_path":
        return [option, str(Path("folder").absolute())]
    return [f"{option}={VALUES.get(argument.kind.get('type'), '- a=b, c')}"]


def translated(command: str, dest: str, *words: str) -> tuple[Namespace, Inside]:
    line = [command, "--docker", "image", *words]
    for argument in arguments_of(command):
        if argument.required_by(command) and argument.dest != dest:
            line += [argument.flags[-1], REQUIRED[argument.dest]]
    args = parse(line, {})
    return args, inside(args, {})


def parsed_inside(line: Inside) -> Namespace:
    """As the command inside reads it, but for the places of files."""
    words = line.words
    for mount in line.mounts:
        words = [word.replace(f"={mount.target}", f"={mount.source}") for word in words]
    assert not any("=/opt/" in word for word in words)
    return parse(words, line.variables)


def said(args: Namespace) -> dict[str, object]:
    told = {name: value for name, value in vars(args).items() if name not in OTHERWISE | LABELS}
    labels = [getattr(args, name, None) for name in LABELS]
    return {**told, "labels": [list(found) for found in labels if found]}


@pytest.mark.parametrize(("command", "argument"), OPTIONS)
def test_option_has_the_same_value_inside(command: str, argument: Argument):
    args, line = translated(command, argument.dest, *words_of(argument))
    assert getattr(args, argument.dest) != argument.default
    assert said(parsed_inside(line)) == said(args)


@pytest.mark.parametrize(
    ("command", "option"), [("perf-test", "--json"), ("perf-test", "--html"), ("score", "--output")]
)
def test_file_to_write_is_mounted_for_writing(command: str, option: str, places: Path):
    _, line = translated(command, option, option, "new.txt")
    mount = next(mount for mount in line.mounts if mount.is_output)
    assert mount.option == f"{places / 'new.txt'}:/opt/{option[2:]}/new.txt"
    assert line.outputs == (places / "new.txt",)


@pytest.mark.parametrize(
    ("command", "option"), [("perf-test", "--json"), ("validation", "--output")]
)
def test_stdout_is_no_file_to_mount(command: str, option: str):
    _, line = translated(command, option, option, "-")
    assert f"{option}=-" in line.words
    assert line.outputs == ()
