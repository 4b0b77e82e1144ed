"""Tables, plots and pages of results that a real run does not show every time."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

from datarobot_drum.drum.cli.load_test import plots
from datarobot_drum.drum.cli.load_test.cases import Case, Data
from datarobot_drum.drum.cli.load_test.load import Closed, Open, Outcome
from datarobot_drum.drum.cli.load_test.memory import (
    MAX_POINTS,
    Point,
    ProcessTree,
    Timeline,
    told_by,
)
from datarobot_drum.drum.cli.load_test.page import page
from datarobot_drum.drum.cli.load_test.results import CaseResult, Report, ServerResult
from datarobot_drum.drum.cli.load_test.server_process import Server
from datarobot_drum.drum.cli.load_test.tables import case_table, comparison

PLAIN = Closed(1, 100)


def outcome(count=100, seconds=0.01, errors=0, late=0.0) -> Outcome:
    made = Outcome(seconds=1.0)
    for number in range(count):
        made.latency.add(seconds * (1 + number / 100))
        made.lag.add(late)
    for _ in range(errors):
        made.fail("HTTP 503: <busy>")
    return made


def result(load=PLAIN, made=None, size=400) -> CaseResult:
    case = Case("1 KB", 10, load)
    return CaseResult(
        case, outcome() if made is None else made, size, 0.0, 1.0, 200.0, 4000.0, 0.01
    )


def server(*cases: CaseResult, name="flask", points=()) -> ServerResult:
    return ServerResult(name, "http://127.0.0.1:1/predict/", 1.5, cases=list(cases), points=points)


def report(*servers: ServerResult) -> Report:
    data = Data(1, 1, b"a\n", b"1\n", pd.DataFrame({"a": ["1"]}))
    return Report("/models/<m>", "regression", "/d.csv", data, "2026-01-01T00:00:00Z", servers)


def test_case_fails_by_one_request_of_a_number_but_not_of_a_time():
    made = outcome(errors=1)
    assert result(made=made).is_failed
    assert not result(Open(10, 1), made).is_failed
    assert result(Open(10, 1), outcome(0, errors=1)).is_failed


def test_report_fails_when_all_cases_do_or_a_server_does_not_start():
    bad, good = result(made=outcome(errors=1)), result()
    assert not report(server(bad, good)).is_failed
    assert report(server(bad)).is_failed
    assert report(server(good), ServerResult("gunicorn", "", error="no")).is_failed


def test_client_that_is_late_is_told():
    assert result(Open(10, 1), outcome(late=0.2)).is_client_late
    assert not result(Open(10, 1), outcome(late=0.0001)).is_client_late


def test_table_of_a_failed_case_says_fail_and_na():
    failed = CaseResult(Case("1 KB", 10, Closed(1, 5)), outcome(0, errors=1), 400, 0, 1)
    row = case_table([failed], in_server=True).splitlines()[-1].split()
    assert row[3:] == ["5", *["Fail"] * 4, *["NA"] * 6, "0.0", "1"]


def test_table_names_the_load_where_it_is_not_the_plain_one():
    assert "load" not in case_table([result()], in_server=False)
    assert "closed x4" in case_table([result(Closed(4, 10))], in_server=False)


def test_comparison_has_a_row_for_each_case_and_server():
    first, second = server(result(), result()), server(result(), name="fastapi")
    assert len(comparison([first, second]).splitlines()) == 2 + 3


@pytest.mark.parametrize("draw", [one[2] for one in plots.PLOTS])
def test_plot_of_nothing_is_left_out(draw):
    failed = result(made=outcome(0, errors=3))
    assert draw([server(failed)]) is None or draw is plots.throughput


def test_plots_name_servers_sizes_and_rates():
    sizes = [server(result(), result(size=9000), name=name) for name in ("flask", "fastapi")]
    drawing = plots.latency_by_size(sizes) or ""
    assert [f"{name} p{p}" in drawing for name in ("flask", "fastapi") for p in (50, 99)] == [
        True
    ] * 4
    rates = [server(result(Open(5, 1)), result(Open(50, 1)))]
    assert "requests sent a second" in (plots.latency_by_rate(rates) or "")
    assert "5/s" in (plots.percentiles(rates) or "")


def test_memory_of_one_server_shows_which_case_ran_when():
    points = [Point(0.0, 100.0, None, None), Point(2.0, 110.0, 90.0, 0.5)]
    drawing = plots.memory([server(result(), result(), points=points)]) or ""
    assert "1 KB" in drawing
    assert "flask PSS" in drawing


def test_page_escapes_what_comes_from_outside_and_tells_failures():
    made = outcome(errors=2, late=0.5)
    text = page(report(server(result(made=made)), ServerResult("gunicorn", "", error="no <x>")))
    assert "gunicorn: no &lt;x&gt;" in text
    assert "2 x HTTP 503: &lt;busy&gt;" in text
    assert "the client started 1 % of the requests more than" in text
    assert "<busy>" not in text and "<m>" not in text


def test_page_without_any_tested_server_still_says_why():
    assert "gunicorn: no" in page(report(ServerResult("gunicorn", "", error="no")))


def test_timeline_is_bounded_and_covers_the_whole_time():
    timeline = Timeline(lambda: (1.0, None, None))
    for _ in range(10 * MAX_POINTS):
        timeline._take()
    assert MAX_POINTS // 2 <= len(timeline.points) <= MAX_POINTS
    assert timeline.points[0].seconds < timeline.points[-1].seconds


def test_processes_that_are_gone_have_no_figures():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    tree = ProcessTree(process.pid)
    assert tree() is None  # it has no children
    process.communicate(b"\n")
    assert tree() is None


def test_server_that_tells_nothing_has_no_figures(free_port):
    server = Server(f"http://127.0.0.1:{free_port}")
    assert (told_by(server), server.is_ready(), server.facts("/info/")) == (None, False, {})
    server.close()
