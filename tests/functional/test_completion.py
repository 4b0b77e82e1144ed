"""Completion as a shell asks for it: a line in variables, the words on descriptor 8."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from datarobot_drum.drum.cli.arguments import TARGET_TYPES
from datarobot_drum.drum.cli.parser import SUMMARIES

DRUM = Path(sys.executable).with_name("drum")
#: Modules that would make the user wait for a key press.
HEAVY = {"numpy", "pandas", "pydantic", "flask", "fastapi", "gunicorn", "httpx", "yaml", "jinja2"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data.csv").touch()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "model").mkdir()
    return tmp_path


@pytest.fixture
def complete(folder):
    """`complete(line)`: the words that may stand at its end."""

    def ask(line: str, **variables: str) -> set[str]:
        answer = folder.parent / "answer"
        environ = {
            "PATH": f"{DRUM.parent}{os.pathsep}{os.environ['PATH']}",
            "_ARGCOMPLETE": "1",
            "_ARGCOMPLETE_IFS": "\n",
            "COMP_LINE": line,
            "COMP_POINT": str(len(line)),
            "COMP_TYPE": "9",
            "ANSWER": str(answer),
            **variables,
        }
        command = ["bash", "-c", '"$0" 8>"$ANSWER" 9>/dev/null', str(DRUM)]
        subprocess.run(command, cwd=folder, env=environ, check=True, timeout=30)
        return {word.strip() for word in answer.read_text().split("\n") if word.strip()}

    return ask


def test_script_that_shells_look_at_says_that_it_completes():
    module = Path(sys.modules["datarobot_drum.drum.cli.parser"].__file__ or "").parents[1]
    assert (module / "entry_point.py").read_text().startswith("# PYTHON_ARGCOMPLETE_OK\n")


def test_commands_are_completed(complete):
    assert complete("drum ") >= set(SUMMARIES)
    assert complete("drum val") == {"validation"}


def test_options_are_those_of_the_command(complete):
    words = complete("drum perf-test --")
    assert {"--samples", "--rate", "--html"} <= words
    assert "--address" not in words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("drum score --target-type ", set(TARGET_TYPES)),
        ("drum score --target-type multi", {"multiclass", "multilabel"}),
        ("drum server --server-type g", {"gunicorn"}),
        ("drum new ", {"model", "env", "--verbose", "--logging-level", "-h", "--help"}),
        ("drum new model --language ", {"python", "r", "other"}),
        ("drum new env --framework to", {"torch"}),
        ("drum score --code-dir ", {"deep/"}),
        ("drum score --code-dir deep/", {"deep/model/"}),
        ("drum score --input ", {"data.csv", "deep/"}),
        ("drum validation --output d", {"data.csv", "deep/"}),
        ("drum score --positive-class-label ", set()),
    ],
)
def test_value_is_completed_as_its_option_reads_it(complete, line, words):
    assert {word.strip() for word in complete(line)} == words


PROBE = """
import os, sys
os._exit = sys.exit  # argcomplete ends the process where nothing could be looked at any more
from datarobot_drum.drum.cli.parser import parse
try:
    parse(sys.argv[1:])
finally:
    print(*sys.modules, file=open("modules", "w"))
"""


def test_completion_imports_nothing_heavy(folder):
    line = "drum score --target-type "
    environ = {**os.environ, "_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    command = ["bash", "-c", '"$0" -c "$1" 8>/dev/null 9>/dev/null', sys.executable, PROBE]
    subprocess.run(command, cwd=folder, env=environ, timeout=30, check=False)
    names = {name.partition(".")[0] for name in (folder / "modules").read_text().split()}
    assert "argcomplete" in names
    assert names & HEAVY == set()
