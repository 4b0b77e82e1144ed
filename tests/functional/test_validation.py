"""`drum validation` as its users run it: models that behave, misbehave, crash, hang and leave."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

DRUM = (sys.executable, "-m", "datarobot_drum.drum.entry_point")
DOUBLE = "return pd.DataFrame({'Predictions': data['a'] * 2.0})"
SIX_OTHERS = ["Row order", "Rows in parts", "Single row", "Empty input", "Column order"]


@pytest.fixture
def validate(tmp_path, run_drum):
    """`validate(score body, *words)`: run the command; its exit code, statuses and report."""
    (tmp_path / "model").mkdir()
    (tmp_path / "data.csv").write_text("a,b\n1,x\n2,y\n3,z\n4,x\n")
    report = tmp_path / "report.json"

    def run(
        body, *words, target="regression", source="data.csv", hook="score(data, model", env=None
    ):
        lines = ["import os, sys, time", "import pandas as pd", "CALLS = []"]
        lines += ["def load_model(code_dir):", "    return 'M'", f"def {hook}, **kwargs):"]
        lines += [f"    {line}" for line in body.splitlines()]
        (tmp_path / "model" / "custom.py").write_text("\n".join(lines) + "\n")
        place = ["--code-dir", str(tmp_path / "model"), "--input", str(tmp_path / source)]
        done = run_drum(
            "validation", *place, "--target-type", target, "--output", str(report), *words, env=env
        )
        assert "Traceback" not in done.stderr
        checks = json.loads(report.read_text())["checks"] if report.exists() else []
        return done, {check["name"]: check for check in checks}

    return run


def statuses(checks) -> dict[str, str]:
    return {name: check["status"] for name, check in checks.items()}


def test_model_that_copes_passes_every_check(validate):
    done, checks = validate(DOUBLE)
    assert done.returncode == 0, done.stdout
    assert set(statuses(checks).values()) == {"PASSED"}
    assert list(checks)[:2] == ["Basic batch prediction", "Null value imputation"]
    assert re.search(r"^Null value imputation +PASSED", done.stdout, re.MULTILINE)


def test_failed_check_fails_the_command_and_names_column_and_error(validate):
    done, checks = validate(f"if data['b'].isna().any():\n    raise ValueError('no b')\n{DOUBLE}")
    assert done.returncode == 1
    assert statuses(checks)["Basic batch prediction"] == "PASSED"
    (failure,) = checks["Null value imputation"]["failures"]
    assert (failure["feature"], failure["dataset"]) == ("b", None)
    assert failure["message"].endswith("Exception: ValueError('no b')")
    assert "not kept" in done.stdout


def test_data_that_a_check_failed_on_is_kept_when_asked_for(validate):
    body = f"if data['b'].isna().any():\n    raise ValueError('no b')\n{DOUBLE}"
    _, checks = validate(body, "--keep-files")
    kept = Path(checks["Null value imputation"]["failures"][0]["dataset"])
    try:
        assert kept.read_text() == "a,b\n1,\n2,\n3,\n4,\n"
        assert [path.name for path in kept.parent.iterdir()] == [
            "null_value_imputation_column1.csv"
        ]
    finally:
        kept.unlink()
        kept.parent.rmdir()


def test_folder_for_kept_data_goes_when_nothing_is_in_it(validate, tmp_path):
    (tmp_path / "tmp").mkdir()
    done, _ = validate(DOUBLE, "--keep-files", env={"TMPDIR": str(tmp_path / "tmp")})
    assert (done.returncode, list((tmp_path / "tmp").iterdir())) == (0, [])


ENDS = {
    "crash": ("os._exit(7)", "ended with exit code 7"),
    "kill": ("os.kill(os.getpid(), 9)", "ended by Killed, perhaps for want of memory"),
    "fork": ("os.fork() or time.sleep(600); os._exit(7)", "ended with exit code 7"),
    "leave": ("sys.exit(5)", "the model code ended the process with sys.exit(5)"),
}


@pytest.mark.parametrize("end", ENDS)
def test_model_that_ends_its_process_fails_one_column_not_the_command(validate, end):
    act, message = ENDS[end]
    done, checks = validate(f"if data['a'].isna().any():\n    {act}\n{DOUBLE}")
    assert done.returncode == 1
    (failure,) = checks["Null value imputation"]["failures"]
    assert failure["feature"] == "a"
    assert message in failure["message"]
    assert statuses(checks)["Single row"] == "PASSED"


def test_model_that_hangs_is_stopped_at_the_time_limit(validate):
    started = time.monotonic()
    body = f"if len(data) == 1:\n    time.sleep(600)\n{DOUBLE}"
    done, checks = validate(body, "--timeout", "12")
    assert time.monotonic() - started < 100
    assert checks["Single row"]["message"] == "no answer within 12 s"
    assert done.returncode == 1


def test_columns_beyond_the_time_limit_are_told(validate):
    body = f"if data['a'].isna().any():\n    time.sleep(600)\n{DOUBLE}"
    _, checks = validate(body, "--timeout", "12")
    null = checks["Null value imputation"]
    assert (null["columns"], null["columnsTried"], null["status"]) == (2, 1, "FAILED")
    assert null["message"] == "1 of 2 columns were tried in 12 s"


ODD = {
    "Repeatability": "CALLS.append(1)\ndata['a'] += len(CALLS)\n" + DOUBLE,
    "Row order": "return pd.DataFrame({'Predictions': data['a'].cumsum()})",
    "Rows in parts": "return pd.DataFrame({'Predictions': data['a'] - data['a'].mean()})",
    "Single row": "return pd.DataFrame({'Predictions': data['a'] * len(data)})",
    "Column order": "data['a'] *= list(data.columns).index('a') + 1\n" + DOUBLE,
    "Unexpected column": "return pd.DataFrame({'Predictions': data['a'] * data.shape[1]})",
}


@pytest.mark.parametrize("check", ODD)
def test_model_that_depends_on_more_than_the_row_gets_a_warning(validate, check):
    done, checks = validate(ODD[check])
    assert done.returncode == 0
    assert statuses(checks)[check] == "WARNING", checks[check]
    assert "differ" in checks[check]["message"]


def test_model_that_cannot_take_one_row_fails(validate):
    done, checks = validate(f"data.iloc[1]\n{DOUBLE}")
    assert done.returncode == 1
    assert statuses(checks)["Single row"] == "FAILED"


def test_predictions_for_no_rows_are_a_warning(validate):
    body = "return pd.DataFrame({'Predictions': list(data['a']) or [0]})"
    done, checks = validate(body, env={"DRUM_CHECK_ROW_COUNT": "false"})
    assert (done.returncode, statuses(checks)["Empty input"]) == (0, "WARNING")
    assert checks["Empty input"]["message"] == "a table without rows gave 1 predictions"


def test_failed_basic_prediction_leaves_the_others_out(validate):
    done, checks = validate("raise ValueError('never')")
    assert done.returncode == 1
    assert statuses(checks)["Null value imputation"] == "FAILED"
    assert {statuses(checks)[name] for name in SIX_OTHERS} == {"SKIPPED"}
    assert "Test failed on provided dataset: " in done.stdout


def test_load_that_fails_is_tried_once(validate, tmp_path):
    loads = f"load_model(code_dir):\n    open({str(tmp_path / 'loads')!r}, 'a').write('.')\n"
    hook = f"{loads}    raise OSError('no weights')\ndef score(data, model"
    done, checks = validate(DOUBLE, hook=hook)
    assert (done.returncode, (tmp_path / "loads").read_text()) == (1, ".")
    null = checks["Null value imputation"]
    assert (null["status"], null["failures"]) == ("SKIPPED", [])
    assert null["message"] == "not tried: the model cannot be loaded"
    assert done.stdout.count("no weights") == 1


@pytest.mark.parametrize(
    ("target", "said"), [(None, "Target type is missing"), ("binary", "class labels are missing")]
)
def test_target_that_is_not_told_ends_the_command_at_once(
    validate, tmp_path, run_drum, target, said
):
    (tmp_path / "model" / "custom.py").write_text("def score(data, model):\n    pass\n")
    place = ["--code-dir", str(tmp_path / "model"), "--input", str(tmp_path / "data.csv")]
    words = [] if target is None else ["--target-type", target]
    done = run_drum("validation", *place, *words)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert said in done.stderr


def test_input_may_come_through_a_pipe(validate, tmp_path):
    validate(DOUBLE)
    report = tmp_path / "piped.json"
    place = ["--code-dir", str(tmp_path / "model"), "--input", "/dev/stdin"]
    command = [*DRUM, "validation", *place, "--target-type", "regression", "--output", str(report)]
    data = (tmp_path / "data.csv").read_bytes()
    done = subprocess.run(command, input=data, capture_output=True, timeout=100, check=False)
    told = json.loads(report.read_text())
    assert (done.returncode, told["input"]) == (0, "/dev/stdin"), told
    assert {check["status"] for check in told["checks"]} == {"PASSED"}


def test_unstructured_model_gets_the_basic_check_alone(validate):
    body, hook = "return data[::-1] + query['end']", "score_unstructured(model, data, query"
    done, checks = validate(
        body,
        "--query",
        "end=z",
        target="unstructured",
        hook=hook,
    )
    assert done.returncode == 0
    assert statuses(checks) == {
        "Basic batch prediction": "PASSED",
        "Null value imputation": "SKIPPED",
    }


def test_transform_model_is_checked_row_by_row(validate):
    body = "return data[['a']] * 2"
    done, checks = validate(body, target="transform", hook="transform(data, model")
    assert done.returncode == 0
    assert statuses(checks)["Row order"] == "PASSED"


def test_sparse_input_gets_the_basic_check_alone(validate, tmp_path):
    text = "%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 1\n2 2 1\n"
    (tmp_path / "data.mtx").write_text(text)
    body = "return pd.DataFrame({'Predictions': [0.0] * data.shape[0]})"
    done, checks = validate(body, source="data.mtx")
    assert (done.returncode, len(checks)) == (0, 2)
    assert statuses(checks)["Null value imputation"] == "SKIPPED"


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256))


@pytest.mark.parametrize("content", [PNG, b"", b'a\n1,2\n1,"', b"a,b\n1,2,3,4\n1\n1,2,3,4,5,6\n"])
def test_input_that_the_model_reads_itself_gets_the_basic_check_alone(validate, tmp_path, content):
    (tmp_path / "data.png").write_bytes(content)
    read = "def read_input_data(data):\n    import numpy\n    return numpy.zeros((24, 24, 3))\n"
    body = "return pd.DataFrame({'Predictions': [float(len(data))]})"
    hook = f"{read}def score(data, model".removeprefix("def ")
    done, checks = validate(body, source="data.png", hook=hook)
    found = statuses(checks)
    assert (done.returncode, found.pop("Basic batch prediction")) == (0, "PASSED"), checks
    assert (len(found), set(found.values())) == (9, {"SKIPPED"})
    reasons = {check["message"] for check in checks.values()} - {""}
    assert reasons == {"the model reads this input itself, which is not a table"}


def test_input_that_nobody_can_read_fails_the_basic_check_alone(validate, tmp_path):
    (tmp_path / "data.png").write_bytes(PNG)
    done, checks = validate(DOUBLE, source="data.png")
    found = statuses(checks)
    assert (done.returncode, found.pop("Basic batch prediction")) == (1, "FAILED")
    assert set(found.values()) == {"SKIPPED"}
    assert "encoding must be UTF-8" in checks["Basic batch prediction"]["message"]


@pytest.mark.parametrize("suffix", ["json", "parquet", "arrow"])
def test_other_formats_are_emptied_in_their_own_format(validate, tmp_path, suffix):
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    path = tmp_path / f"data.{suffix}"
    write = {"json": lambda: frame.to_json(path, orient="records")}
    write |= {"parquet": lambda: frame.to_parquet(path), "arrow": lambda: frame.to_feather(path)}
    write[suffix]()
    done, checks = validate(DOUBLE, source=path.name)
    assert (done.returncode, set(statuses(checks).values())) == (0, {"PASSED"}), checks


def test_model_that_drops_rows_is_told_that_a_server_refuses_that(validate):
    score = f"def score(data, model, **kwargs):\n    {DOUBLE}\ndef transform(data, model"
    done, checks = validate("return data[data['a'] > 1]", hook=score.removeprefix("def "))
    assert (done.returncode, statuses(checks)["Row count"]) == (0, "WARNING")
    assert statuses(checks)["Row order"] == "SKIPPED"


def test_dash_writes_the_report_to_stdout_in_place_of_the_table(validate):
    done, _ = validate(DOUBLE, "--output", "-")
    report = json.loads(done.stdout)
    assert (report["schema"], report["passed"], len(report["checks"])) == (1, True, 10)


def test_what_the_model_prints_is_shown_when_asked_for(validate):
    body = f"print('hello from score')\n{DOUBLE}"
    assert "hello from score" not in validate(body)[0].stderr
    told = validate(body, "--verbose")[0]
    assert "hello from score" in told.stderr
    assert told.stdout.startswith("Detected validation mode\n")


def test_model_ends_with_a_command_that_is_killed(tmp_path):
    (tmp_path / "data.csv").write_text("a\n1\n")
    source = "import os, time\ndef load_model(code_dir):\n"
    source += "    open('pid.part', 'w').write(str(os.getpid()))\n"
    source += "    os.rename('pid.part', 'pid')\n    time.sleep(600)\n"
    source += "def score(data, model):\n    pass\n"
    (tmp_path / "custom.py").write_text(source)
    place = ["--code-dir", str(tmp_path), "--input", str(tmp_path / "data.csv")]
    command = [*DRUM, "validation", *place, "--target-type", "regression"]
    process = subprocess.Popen(command, cwd=tmp_path)
    try:
        pid = int(wait_for_text(tmp_path / "pid"))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    deadline = time.monotonic() + 30
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(pid)


def wait_for_text(path: Path) -> str:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return path.read_text()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
