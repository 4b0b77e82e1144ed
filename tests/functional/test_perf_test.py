"""`drum perf-test` as its users run it: on each server type, to files, and interrupted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

DRUM = (sys.executable, "-m", "datarobot_drum.drum.entry_point")
HEADINGS = r"size +samples +iters +min +avg +max +total \(s\) +used \(MB\) +total physical \(MB\)"
MORE = r" +p50 +p95 +p99 +req/s +errors"
MODEL = """
import os, time
import pandas as pd


def load_model(code_dir):
    return "M"


def score(data, model, **kwargs):
    {body}
    return pd.DataFrame({{"Predictions": data["a"] * 2.0}})
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "data.csv").write_text("a,b\n1,x\n2,y\n3,z\n")
    write_model(tmp_path, "pass")
    return tmp_path


def write_model(folder: Path, body: str) -> None:
    (folder / "model" / "custom.py").write_text(MODEL.format(body=body))


def line(folder: Path, *words: str) -> list[str]:
    place = ["--code-dir", str(folder / "model"), "--input", str(folder / "data.csv")]
    return ["perf-test", *place, "--target-type", "regression", *words]


def test_table_has_the_columns_of_the_reference_then_more(folder, run_drum, server_type):
    done = run_drum(*line(folder, "--server-type", server_type, "-s", "10", "-i", "3"))
    assert done.returncode == 0, done.stderr
    assert "Running test case: 40 bytes - 10 samples, 3 iterations\n" in done.stdout
    assert f"Server:     {server_type}\n" in done.stdout
    heading = re.search(rf"^ *{HEADINGS}{MORE}\n=+\n", done.stdout, re.MULTILINE)
    assert heading, done.stdout
    row = done.stdout[heading.end() :].splitlines()[0].split()
    assert (row[:4], row[-1]) == (["40", "bytes", "10", "3"], "0")
    assert all(re.fullmatch(r"\d+\.\d{3}", cell) for cell in row[4:10])


def test_time_in_the_server_stands_after_the_columns_of_the_reference(folder, run_drum):
    done = run_drum(*line(folder, "-s", "1", "-i", "2", "--in-server"))
    assert re.search(rf"{HEADINGS} +prediction{MORE}", done.stdout), done.stdout
    assert "NA" not in done.stdout


def test_default_cases_run_on_a_model_of_metadata_alone(folder, run_drum):
    (folder / "model" / "model-metadata.yaml").write_text(
        "name: m\ntype: inference\ntargetType: regression\n"
    )
    words = [word for word in line(folder) if word not in ("--target-type", "regression")]
    done = run_drum(*words, timeout=300)
    assert done.returncode == 0, done.stderr
    sizes = re.findall(r"^(?:4 bytes|[\d.]+MB) +\d+ +(\d+)", done.stdout, re.MULTILINE)
    assert sizes == ["100", "50", "5", "1"]


def test_several_server_types_are_compared_and_reported(folder, run_drum):
    report, page = folder / "r.json", folder / "r.html"
    words = ("--server-type", "flask,uvicorn", "--rate", "20,40", "--duration", "1")
    done = run_drum(*line(folder, *words, "--json", str(report), "--html", str(page)))
    assert done.returncode == 0, done.stderr
    assert "Comparison\n" in done.stdout
    check_report(json.loads(report.read_text()))
    check_page(page.read_text())


def check_report(report: dict) -> None:
    assert (report["schema"], report["passed"]) == (1, True)
    assert [server["serverType"] for server in report["servers"]] == ["flask", "fastapi"]
    for server in report["servers"]:
        assert [case["rate"] for case in server["cases"]] == [20.0, 40.0]
        assert [case["requests"] for case in server["cases"]] == [20, 40]
        assert all(case["latencySeconds"]["p99"] > 0 for case in server["cases"])
        assert all(point["rssMiB"] > 30 for point in server["timeline"])


def check_page(text: str) -> None:
    """The plots are in it, and a browser asks nobody for anything."""
    assert re.findall(r"<h2>(.*?)</h2>", text) == [
        *("Latency by rate", "Percentiles", "Throughput", "Memory over time"),
        *("flask", "fastapi"),
    ]
    assert text.count("<svg") == 4
    assert not re.search(r"<script|<link|<img|@import|(?:src|href)=\"(?!#)", text)
    assert not re.search(r"url\((?!#)", text)


def test_dash_writes_json_alone_to_stdout(folder, run_drum):
    done = run_drum(*line(folder, "-s", "2", "--json", "-"))
    assert json.loads(done.stdout)["servers"][0]["cases"][0]["samples"] == 2
    assert "DRUM performance test" in done.stderr


def test_clients_of_a_closed_loop_run_for_the_time(folder, run_drum):
    done = run_drum(*line(folder, "--concurrency", "4", "--duration", "1", "--json", "-"))
    (case,) = json.loads(done.stdout)["servers"][0]["cases"]
    assert (case["load"], case["clients"], case["errors"]) == ("closed", 4, {})
    assert 0.9 < case["seconds"] < 10


def test_failed_case_says_fail_and_why_and_fails_the_command(folder, run_drum):
    write_model(folder, "raise ValueError('not today')")
    done = run_drum(*line(folder, "-s", "2", "-i", "5"))
    assert done.returncode == 1
    assert re.search(r"8 bytes +2 +5 +Fail +Fail +Fail +Fail +\d", done.stdout), done.stdout
    assert re.search(r"1 x HTTP 500: .*not today", done.stdout)


def test_case_beyond_its_time_is_broken_off(folder, run_drum):
    # one row is the request that is not counted
    write_model(folder, "time.sleep(60 if len(data) > 1 else 0)")
    done = run_drum(*line(folder, "-s", "2", "--timeout", "15"))
    assert (done.returncode, "... timed out (15s)" in done.stdout) == (1, True), done.stdout


def test_server_that_does_not_start_is_told_with_its_last_words(folder, run_drum):
    (folder / "model" / "custom.py").write_text("raise ImportError('no such thing')\n")
    done = run_drum(*line(folder), env={"WITH_ERROR_SERVER": "1"})
    assert done.returncode == 1
    assert "Error: server failed to start while running performance testing." in done.stderr
    first = done.stderr[done.stderr.index("Error: server failed") :].splitlines()[0]
    assert "no such thing" in first
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (None, "Target type is missing"),
        ("name: m\ntype: training\ntargetType: multiclass\n", "Class labels are missing"),
    ],
)
def test_target_that_is_not_told_needs_no_server(folder, run_drum, metadata, said):
    if metadata is not None:
        (folder / "model" / "model-metadata.yaml").write_text(metadata)
    words = [word for word in line(folder) if word not in ("--target-type", "regression")]
    done = run_drum(*words)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert said in done.stderr


def test_folder_without_a_model_is_told_in_the_first_line(folder, run_drum):
    (folder / "model" / "custom.py").unlink()
    done = run_drum(*line(folder))
    first = done.stderr[done.stderr.index("Error: server failed") :].splitlines()[0]
    assert "the model could not be loaded: " in first
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr


def test_size_beyond_the_memory_is_refused_before_any_server(folder, run_drum):
    done = run_drum(*line(folder, "-s", "999999999999"))
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert "does not fit into the memory" in done.stderr


def test_other_types_are_tested_when_one_does_not_start(folder, run_drum):
    (folder / "model" / "custom_fastapi.py").write_text("def init_app(app):\n    pass\n")
    done = run_drum(*line(folder, "--server-type", "flask,fastapi", "-s", "1", "--json", "-"))
    servers = json.loads(done.stdout)["servers"]
    assert done.returncode == 1
    assert servers[0]["error"].startswith("Error: server failed to start")
    assert (servers[1]["error"], len(servers[1]["cases"])) == (None, 1)


def test_running_server_is_tested_by_its_address(folder, run_drum, start_server):
    server = start_server(folder / "model", "--target-type", "regression", server_type="fastapi")
    for url in (server.url, f"{server.url}/predict/"):
        done = run_drum(*line(folder, "--url", url, "-s", "1", "-i", "2"))
        assert done.returncode == 0, done.stderr
        assert "Server:     fastapi\n" in done.stdout
    assert server.get("/health/").status_code == 200


def test_url_prefix_and_parameters_reach_the_server(folder, run_drum):
    (folder / "model" / "model-metadata.yaml").write_text(
        "name: m\ntype: inference\ntargetType: regression\n"
        "runtimeParameterDefinitions:\n- fieldName: MODE\n  type: string\n"
    )
    (folder / "values.yaml").write_text("MODE: strict\n")
    write_model(folder, "assert 'strict' in os.environ['MLOPS_RUNTIME_PARAM_MODE']")
    words = ("--runtime-params-file", str(folder / "values.yaml"), "-s", "1")
    done = run_drum(*line(folder, *words), env={"URL_PREFIX": "/models/a"})
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("option", ["--class-labels-file", "CLASS_LABELS"])
def test_labels_that_begin_with_a_dash_reach_the_server(tmp_path, run_drum, option):
    (tmp_path / "data.csv").write_text("a\n0.25\n")
    (tmp_path / "labels.txt").write_text("-a\nb\n--verbose\n")
    (tmp_path / "custom.py").write_text(
        "import pandas as pd\ndef load_model(code_dir):\n    return 'M'\n"
        "def score(data, model, class_labels, **kwargs):\n"
        "    return pd.DataFrame([[0.5, 0.25, 0.25]] * len(data), columns=class_labels)\n"
    )
    line = ["--code-dir", str(tmp_path), "--input", str(tmp_path / "data.csv"), "-s", "1"]
    is_file = option.startswith("--")
    line += [option, str(tmp_path / "labels.txt")] if is_file else []
    env = {} if is_file else {option: "-a b --verbose"}
    done = run_drum("perf-test", *line, "--target-type", "multiclass", env=env)
    assert done.returncode == 0, done.stderr


def test_labels_and_transform_models_are_served(tmp_path, run_drum):
    (tmp_path / "data.csv").write_text("a\n0.25\n")
    source = "import pandas as pd\ndef load_model(code_dir):\n    return 'M'\n"
    (tmp_path / "custom.py").write_text(
        f"{source}def transform(data, model):\n    return data * 2\n"
        "def score(data, model, **kwargs):\n"
        "    return pd.DataFrame({'no': 1 - data['a'] / 2, 'yes': data['a'] / 2})\n"
    )
    place = ["--code-dir", str(tmp_path), "--input", str(tmp_path / "data.csv"), "-s", "1"]
    labels = ["--positive-class-label", "yes", "--negative-class-label", "no"]
    for words in (["binary", *labels], ["transform"]):
        done = run_drum("perf-test", *place, "--target-type", *words)
        assert done.returncode == 0, done.stdout


CONFLICTS = {
    "--server-type starts a server": ("--url", "http://localhost:1", "--server-type", "flask"),
    "--concurrency sets the number": ("--rate", "5", "--concurrency", "2"),
    "--url: leave out what begins with": ("--url", "http://localhost:1/predict?x=1"),
    "--url: leave out": ("--url", "http://localhost:1/predict/#x"),
    "--iterations and a load over time": ("--rate", "5", "--iterations", "2"),
}


@pytest.mark.parametrize("message", CONFLICTS)
def test_options_that_exclude_each_other_are_refused(folder, run_drum, message):
    done = run_drum(*line(folder, *CONFLICTS[message]))
    assert (done.returncode, message in done.stdout) == (1, True)


@pytest.mark.parametrize(
    "words",
    [("--rate", "x"), ("--rate", "0"), ("--concurrency", "501"), ("--server-type", "tomcat")],
)
def test_value_out_of_range_is_a_usage_error(folder, run_drum, words):
    assert run_drum(*line(folder, *words)).returncode == 2


ENDS = [(signal.SIGKILL, name) for name in ("flask", "gunicorn", "fastapi")]
ENDS += [(signal.SIGTERM, "fastapi"), (signal.SIGINT, "gunicorn")]


@pytest.mark.parametrize(("number", "server_type"), ENDS)
def test_server_ends_with_a_command_that_is_ended(folder, number, server_type):
    write_model(folder, "time.sleep(0.05)")
    words = line(folder, "--server-type", server_type, "--rate", "5", "--duration", "300")
    process = subprocess.Popen([*DRUM, *words], stdout=subprocess.PIPE, text=True)
    try:
        wait_for_line(process, "Running test case:")
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= 2
    finally:
        process.send_signal(number)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == (-9 if number == signal.SIGKILL else 130)
    _, alive = psutil.wait_procs(family, timeout=40)
    assert alive == []


def wait_for_line(process: subprocess.Popen[str], start: str) -> None:
    assert process.stdout is not None
    for text in process.stdout:
        if text.startswith(start):
            return
    pytest.fail(f"{start!r} was never printed")


def test_two_runs_at_once_leave_each_other_alone(folder):
    words = line(folder, "-s", "1", "-i", "20")
    both = [
        subprocess.Popen([*DRUM, *words], stdout=subprocess.PIPE, text=True, env=os.environ)
        for _ in range(2)
    ]
    ended = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
