"""One command runs, and every way it can end has its exit code and its one line."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap

import pytest

from datarobot_drum.drum.main import main


@pytest.fixture(autouse=True)
def as_a_process(monkeypatch):
    """Undo what a command does to its process: import path, module `custom`, log handlers."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    sys.modules.pop("custom", None)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def score(tmp_path):
    """`score(hook body, *words)`: run `drum score` on a folder whose score hook has that body."""
    (tmp_path / "data.csv").write_text("a\n1\n2\n")

    def run(body, *words):
        source = f"""\
            import sys
            from datarobot_drum import CustomHTTPError
            def load_model(code_dir):
                return "M"
            def score(data, model, **kwargs):
                {body}
            """
        (tmp_path / "custom.py").write_text(textwrap.dedent(source))
        place = ["--code-dir", str(tmp_path), "--input", str(tmp_path / "data.csv")]
        return main(["score", *place, "--target-type", "regression", *words])

    return run


@pytest.mark.parametrize("closed", ["<&- >&-", ">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize("words", ["", " --output result.csv", " --help"])
def test_closed_stream_is_no_error(score, tmp_path, closed, words):
    score("import pandas as pd; print('x'); return pd.DataFrame({'Predictions': data['a']})")
    drum = f"{sys.executable} -m datarobot_drum.drum.entry_point score -cd . --input data.csv"
    line = f"{drum} --target-type regression{words} {closed}"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    if "--output" in words:
        assert (tmp_path / "result.csv").read_text() == "Predictions\n1\n2\n"
    elif words == "" and closed == "2>&-":
        assert done.stdout == "Predictions\n1\n2\n"


def test_usage_error_is_2_and_help_is_0(capsys):
    assert main(["score"]) == 2
    assert main(["score", "--help"]) == 0
    assert main(["--version"]) == 0
    assert main([]) == 1


def test_push_without_metadata_is_refused(tmp_path, capsys):
    assert main(["push", "-cd", str(tmp_path)]) == 1
    assert "Target type is missing" in capsys.readouterr().err


def test_docker_runs_the_command_in_a_container(score, capsys, monkeypatch):
    monkeypatch.setenv("DRUM_CONTAINER_ENGINE", "no-such-engine")
    assert score("pass", "--docker", "image") == 1
    assert "there is no program no-such-engine" in capsys.readouterr().err


def test_options_that_conflict_are_told_on_stdout(score, capsys):
    assert score("pass", "--skip-deps-install") == 1
    told = capsys.readouterr()
    assert told.out.startswith("Argument '--skip-deps-install' can only be used together")
    assert told.err == ""


def test_error_of_this_program_is_one_line(score, capsys):
    assert score("return data['a']") == 1
    told = capsys.readouterr().err
    assert "ERROR drum:  score must return a dataframe" in told
    assert told.count("\n") == 1


def test_error_of_a_hook_names_it_and_the_way_to_its_traceback(score, capsys):
    assert score("raise ValueError('boom')") == 1
    told = capsys.readouterr().err
    assert "ValueError('boom')" in told
    assert "--show-stacktrace" in told
    assert "Traceback" not in told


def test_traceback_is_shown_when_asked_for(score, capsys):
    assert score("raise ValueError('boom')", "--show-stacktrace") == 1
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert 'custom.py", line 6, in score' in told


def test_error_outside_of_hooks_is_one_line_with_its_type(score, tmp_path, capsys):
    assert score("this is no python") == 1
    told = capsys.readouterr().err
    assert "ERROR drum:  SyntaxError: invalid syntax" in told
    assert "--show-stacktrace" in told


def test_http_error_of_a_hook_shows_its_own_text(score, capsys):
    assert score("raise CustomHTTPError('teapot', 418)") == 1
    assert "ERROR drum:  teapot" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "code"), [("7", 7), ("", 1), ("0", 1), ("256", 1), ("False", 1), ("'text'", 1)]
)
def test_exit_of_model_code_is_told_and_is_never_a_success(call, code, score, tmp_path, capsys):
    assert score(f"sys.exit({call})", "--output", str(tmp_path / "o.csv")) == code
    told = capsys.readouterr().err
    line = f"ended the command with sys.exit({call}); no output was written"
    assert (line in told, told.count("\n"), "ERROR" in told) == (True, 1, True)
    assert not (tmp_path / "o.csv").exists()


def test_exit_of_model_code_between_chunks_does_not_claim_that_nothing_was_written(score, capfd):
    body = "return data.rename(columns={'a': 'Predictions'}) if 1 in set(data['a']) else sys.exit()"
    assert score(body, "--chunk-rows", "1") == 1
    told = capfd.readouterr()
    assert told.out == "Predictions\n1\n"
    assert "the output is not complete" in told.err


def test_exit_of_model_code_shows_where_when_asked_for(score, capsys):
    assert score("sys.exit(3)", "--show-stacktrace") == 3
    assert 'custom.py", line 6, in score' in capsys.readouterr().err


@pytest.mark.parametrize(
    "body", ["raise KeyboardInterrupt", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"]
)
def test_interrupted_score_is_130_and_leaves_nothing(body, score, tmp_path, capsys):
    assert score(body, "--output", str(tmp_path / "o.csv")) == 130
    assert capsys.readouterr().out == "Ctrl+C pressed, aborting drum\n"
    assert [path.name for path in tmp_path.glob("*o.csv*")] == []


@pytest.mark.parametrize("words", [["--help"], ["score"]])
def test_reader_that_leaves_early_gets_no_complaint(words, tmp_path):
    (tmp_path / "data.csv").write_text("a\n1\n")
    source = "def load_model(code_dir):\n    return 1\ndef score(data, model):\n    return data\n"
    (tmp_path / "custom.py").write_text(source)
    variables = {"CODE_DIR": str(tmp_path), "TARGET_TYPE": "regression", "PYTHONUNBUFFERED": ""}
    read, write = os.pipe()
    os.close(read)
    line = [sys.executable, "-m", "datarobot_drum.drum.entry_point", *words]
    with os.fdopen(write, "wb") as closed_pipe:
        done = subprocess.run(
            [*line, "--input", str(tmp_path / "data.csv")] if words == ["score"] else line,
            stdout=closed_pipe,
            stderr=subprocess.PIPE,
            env={**os.environ, **variables},
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"")
