"""`drum score`: what it writes, where, and that chunks change nothing."""

from __future__ import annotations

import json
import logging
import os
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler

from datarobot_drum.drum.main import main

DOUBLE = "return pd.DataFrame({'Predictions': data['a'] * 2})"


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
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "data.csv").write_text("a,b\n1,x\n2,y\n3,z\n")
    return tmp_path


def hooks(folder, **bodies):
    """Write custom.py with these hooks; `data` and `model` are their arguments."""
    lines = ["import pandas as pd", "def load_model(code_dir):", "    return 'M'"]
    for name, body in bodies.items():
        first = "raw, *rest" if name == "read_input_data" else "data, model"
        arguments = "model, data" if name == "score_unstructured" else first
        lines += [f"def {name}({arguments}, **kwargs):", textwrap.indent(body, "    ")]
    (folder / "model" / "custom.py").write_text("\n".join(lines) + "\n")


def run(folder, *words, target="regression", source="data.csv"):
    line = ["score", "-cd", str(folder / "model"), "--input", str(folder / source)]
    return main([*line, "--target-type", target, *words])


def scored(folder, *words, **options) -> str:
    """The text of the result file."""
    assert run(folder, *words, "--output", str(folder / "o.csv"), **options) == 0
    return (folder / "o.csv").read_text()


def numbers(folder, rows=50):
    table = pd.DataFrame(np.random.default_rng(1).normal(size=(rows, 3)), columns=list("abc"))
    table.loc[3, "b"] = 7
    table.to_csv(folder / "data.csv", index=False)
    return table


def test_result_is_csv_with_extras_last(folder):
    hooks(folder, score="return pd.DataFrame({'note': data['b'], 'Predictions': data['a'] * 2})")
    assert scored(folder) == "Predictions,note\n2,x\n4,y\n6,z\n"


def test_result_on_stdout_is_csv_when_that_is_no_terminal(folder, capfd):
    hooks(folder, score=DOUBLE)
    assert run(folder) == 0
    assert capfd.readouterr().out == "Predictions\n2\n4\n6\n"


def test_result_on_stdout_may_be_a_table_or_json(folder, capfd):
    hooks(folder, score=DOUBLE)
    assert run(folder, "--stdout-format", "table") == 0
    assert capfd.readouterr().out.split() == "Predictions 0 2 1 4 2 6".split()
    assert run(folder, "--stdout-format", "json") == 0
    expected = [{"Predictions": 2}, {"Predictions": 4}, {"Predictions": 6}]
    assert json.loads(capfd.readouterr().out) == expected


PRINTS = "print('printed')\nimport os\nos.write(1, b'written\\n')"


@pytest.mark.parametrize("form", ["csv", "table", "json"])
def test_result_on_stdout_is_free_of_what_hooks_print(form, folder, capfd):
    hooks(folder, score=DOUBLE)
    assert run(folder, "--stdout-format", form) == 0
    quiet = capfd.readouterr().out
    hooks(folder, score=f"{PRINTS}\n{DOUBLE}")
    custom = folder / "model" / "custom.py"
    custom.write_text(f"{custom.read_text()}{PRINTS}\n")
    sys.modules.pop("custom")
    assert run(folder, "--stdout-format", form) == 0
    told = capfd.readouterr()
    assert told.out == quiet
    assert (told.err.count("printed"), told.err.count("written")) == (2, 2)


def test_unstructured_result_on_stdout_is_free_of_what_hooks_print(folder, capfd):
    hooks(folder, score_unstructured=f"{PRINTS}\nreturn 'answer'")
    assert run(folder, target="unstructured") == 0
    assert capfd.readouterr() == ("answer\n", "printed\nwritten\n")


def test_failed_run_leaves_the_old_result(folder):
    (folder / "o.csv").write_text("old")
    hooks(folder, score="raise ValueError")
    assert run(folder, "--output", str(folder / "o.csv")) == 1
    assert (folder / "o.csv").read_text() == "old"
    assert [path.name for path in folder.glob("*o.csv*")] == ["o.csv"]


def test_missing_output_folder_is_told_before_the_model_is_loaded(folder, capsys):
    hooks(folder, score=DOUBLE)
    assert run(folder, "--output", str(folder / "nope" / "o.csv")) == 1
    assert "folder of --output does not exist" in capsys.readouterr().err
    assert "custom" not in sys.modules


def test_result_may_go_to_a_device(folder):
    hooks(folder, score=DOUBLE)
    assert run(folder, "--output", os.devnull) == 0


@pytest.mark.parametrize("rows", [1, 7, 50, 1000])
def test_chunks_give_the_result_of_the_whole(folder, rows):
    table = numbers(folder)
    model = LogisticRegression().fit(table, np.where(table["a"] > 0, "yes", "no"))
    keep(folder, model)
    labels = ["--positive-class-label", "yes", "--negative-class-label", "no"]
    chunked = scored(folder, *labels, "--chunk-rows", str(rows), target="binary")
    whole = scored(folder, *labels, target="binary")
    assert chunked.count("\n") == 51
    pd.testing.assert_frame_equal(as_table(chunked), as_table(whole), rtol=1e-12)


def keep(folder, model):
    """Make `model` the artifact of the folder."""
    (folder / "model" / "model.pkl").write_bytes(pickle.dumps(model))


def as_table(text: str) -> pd.DataFrame:
    lines = [line.split(",") for line in text.splitlines()]
    return pd.DataFrame(lines[1:], columns=lines[0]).astype(float)


def test_artifact_alone_is_scored_in_chunks_of_the_setting(folder, monkeypatch):
    table = numbers(folder)
    keep(folder, LinearRegression().fit(table, table["a"]))
    sizes = []
    predict = LinearRegression.predict

    def counted(self, table):
        sizes.append(len(table))
        return predict(self, table)

    monkeypatch.setattr(LinearRegression, "predict", counted)
    monkeypatch.setenv("DRUM_SCORE_CHUNK_ROWS", "20")
    assert scored(folder).count("\n") == 51
    assert sizes == [20, 20, 10]


@pytest.mark.parametrize(("words", "sizes"), [([], "3\n"), (["--chunk-rows", "2"], "2\n1\n")])
def test_hooks_see_the_whole_unless_told_that_rows_stand_alone(words, sizes, folder, capsys):
    hooks(folder, score=f"print(len(data))\n{DOUBLE}")
    assert scored(folder, *words) == "Predictions\n2\n4\n6\n"
    assert capsys.readouterr().out == sizes


def test_hook_that_reads_the_input_gets_all_of_it(folder, capsys):
    reads = "import io\nprint(len(raw))\nreturn pd.read_csv(io.BytesIO(raw))"
    hooks(folder, read_input_data=reads, score=DOUBLE)
    assert scored(folder, "--chunk-rows", "1") == "Predictions\n2\n4\n6\n"
    assert capsys.readouterr().out == "16\n"


def test_chunks_with_other_columns_are_refused(folder, capsys):
    body = "p = pd.DataFrame({'Predictions': data['a']})\np['x' + str(data['a'].iloc[0])] = 1\n"
    hooks(folder, score=f"{body}return p")
    assert run(folder, "--chunk-rows", "1", "--output", str(folder / "o.csv")) == 1
    assert "leave out --chunk-rows" in capsys.readouterr().err
    assert not (folder / "o.csv").exists()


@pytest.mark.parametrize("words", [[], ["--chunk-rows", "2"]])
def test_input_without_rows_gives_a_header(folder, words):
    hooks(folder, score=DOUBLE)
    (folder / "data.csv").write_text("a,b\n")
    assert scored(folder, *words) == "Predictions\n"


def test_input_may_be_a_pipe(folder):
    hooks(folder, score=DOUBLE)
    line = [sys.executable, "-m", "datarobot_drum.drum.entry_point", "score"]
    place = ["-cd", str(folder / "model"), "--input", "/dev/stdin", "--chunk-rows", "1"]
    done = subprocess.run(
        [*line, *place, "--target-type", "regression"],
        input=b"a\n4\n",
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"Predictions\n8\n"


def test_transform_target_writes_the_transformed_table(folder):
    table = numbers(folder, rows=5)
    keep(folder, StandardScaler().fit(table))
    text = scored(folder, target="transform")
    assert text.splitlines()[0] == "0,1,2"
    assert len(text.splitlines()) == 6


def test_sparse_input_takes_its_column_names_from_a_file(folder, capsys):
    header = "%%MatrixMarket matrix coordinate real general\n2 2 2\n"
    (folder / "data.mtx").write_text(f"{header}1 1 3\n2 2 4\n")
    (folder / "names.txt").write_text("a\n\n b \n")
    hooks(folder, score=f"print(list(data.columns))\n{DOUBLE}")
    names = ["--sparse-column-file", str(folder / "names.txt")]
    assert scored(folder, *names, source="data.mtx").count("\n") == 3
    assert capsys.readouterr().out == "['a', 'b']\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "str text/plain utf8 {}"),
        (["--query", "a=1&b=&a=2%20x"], "str text/plain utf8 {'a': '2 x', 'b': ''}"),
        (["--query", 'q="\\'], "str text/plain utf8 {'q': '\"\\\\'}"),
        (["--content-type", "application/json"], "str application/json utf-8 {}"),
        (["--content-type", "image/png"], "bytes image/png - {}"),
        (["--content-type", "a/b; charset=x"], "bytes a/b x {}"),
    ],
)
def test_unstructured_hook_gets_data_by_content_type(words, told, folder):
    hooks(
        folder,
        score_unstructured="return ' '.join([type(data).__name__, kwargs['mimetype'],"
        " kwargs.get('charset', '-'), str(kwargs['query'])])",
    )
    assert scored(folder, *words, target="unstructured") == told


@pytest.mark.parametrize(
    ("returned", "written"),
    [
        ("b'\\xff\\x00'", b"\xff\x00"),
        ("'\\u00e9', {'charset': 'latin-1'}", b"\xe9"),
        ("'\\u00e9'", b"\xc3\xa9"),
        ("None", b"Return value from prediction is: None (NULL in R)"),
    ],
)
def test_unstructured_answer_is_written_as_bytes(returned, written, folder, capfdbinary):
    hooks(folder, score_unstructured=f"return {returned}")
    scored_to = ["--output", str(folder / "o.bin")]
    assert run(folder, *scored_to, target="unstructured") == 0
    assert (folder / "o.bin").read_bytes() == written
    assert run(folder, target="unstructured") == 0
    newline = b"" if written.startswith(b"\xff") else b"\n"
    assert capfdbinary.readouterr().out == written + newline


def test_unstructured_input_that_is_no_text_is_refused(folder, capsys):
    (folder / "data.csv").write_bytes(b"\xff")
    hooks(folder, score_unstructured="return data")
    assert run(folder, target="unstructured") == 1
    assert "not utf8 text" in capsys.readouterr().err


def test_times_and_mode_are_told_when_asked_for(folder, capsys):
    hooks(folder, score=DOUBLE)
    assert run(folder, "--output", os.devnull, "--verbose", "--show-perf") == 0
    lines = capsys.readouterr().out.splitlines()
    titles = ["Full time:", "Init time (incl model loading):", "Run time (incl reading CSV):"]
    assert lines[0] == "Detected score mode"
    assert lines[1::2] == titles
    assert all(line.startswith("\tsec: min: ") for line in lines[2::2])


def test_start_and_finish_are_logged(folder, capsys):
    hooks(folder, score=DOUBLE)
    assert run(folder, "--output", os.devnull, "--logging-level", "info") == 0
    told = capsys.readouterr().err
    assert ">>> Start drum in the score mode" in told
    assert "<<< Finish drum in the score mode" in told


def test_progress_is_shown_on_a_terminal_only(folder, monkeypatch, capsys):
    hooks(folder, score=DOUBLE)
    assert run(folder, "--output", os.devnull) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: True)
    assert run(folder, "--output", os.devnull) == 0
    assert "scored: 3.00 rows" in capsys.readouterr().err


def test_runtime_parameters_reach_the_hooks(folder, monkeypatch, capsys):
    metadata = """\
        name: m
        type: inference
        targetType: regression
        runtimeParameterDefinitions:
          - fieldName: FACTOR
            type: numeric
            defaultValue: 3
        """
    (folder / "model" / "model-metadata.yaml").write_text(textwrap.dedent(metadata))
    (folder / "values.yaml").write_text("FACTOR: 5\n")
    monkeypatch.setenv("MLOPS_RUNTIME_PARAM_FACTOR", "")  # so that it is removed at the end
    monkeypatch.delenv("MLOPS_RUNTIME_PARAM_FACTOR")
    hooks(
        folder,
        score="from datarobot_drum import RuntimeParameters\n"
        "return pd.DataFrame({'Predictions': data['a'] * RuntimeParameters.get('FACTOR')})",
    )
    values = ["--runtime-params-file", str(folder / "values.yaml")]
    assert scored(folder) == "Predictions\n3\n6\n9\n"
    assert scored(folder, *values) == "Predictions\n5\n10\n15\n"
