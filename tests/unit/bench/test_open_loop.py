"""What is said of a server at a rate, and the tables and plots of benchmarks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import report
from datarobot_drum.drum.cli.load_test.load import Outcome
from open_loop import RateSample, rate_table, rates_of, sample_of
from report import Run, Sample, tail_table

GOOD = RateSample("fastapi", 100.0, 1000, 0, 1.5, 2.5, 9.0, 20.0, 21.0, 0.4, 10.0, 0.3, True)
TAKEN: dict[str, Any] = {"seconds": 2.0, "errors": 0, "p50": 1.0, "p95": 2.0, "server_seconds": 1.0}
TAKEN |= {"server_cores": 0.5, "foreign_cores": 0.0, "pss": 90.0, "rate": 100.0}


def outcome(latencies: list[float], failed: int = 0) -> Outcome:
    seen = Outcome()
    for seconds in latencies:
        seen.latency.add(seconds)
    for _ in range(failed):
        seen.fail("HTTP 503")
    return seen


@pytest.mark.parametrize(
    ("seen", "kept_up"),
    [
        (outcome([0.002] * 1000), True),
        (outcome([0.002] * 1000, failed=9), True),
        (outcome([0.002] * 1000, failed=20), False),
        (outcome([1.5] * 1000), False),
        (outcome([], failed=3), False),
        (outcome([]), False),
    ],
)
def test_server_has_kept_up_when_it_answers_in_time(seen, kept_up):
    assert sample_of("fastapi", 100, seen, 0.5, True).kept_up is kept_up


def test_percentiles_are_in_milliseconds():
    sample = sample_of("fastapi", 100, outcome([0.002] * 999 + [0.5]), 0.5, True)
    assert sample.p50 == pytest.approx(2, rel=0.01)
    assert sample.worst == 500


def test_table_is_in_order_of_rates():
    samples = [replace(GOOD, rate=200.0), GOOD, replace(GOOD, server="flask", calm=False)]
    rows = rate_table(samples).splitlines()[2:]
    assert [row.split(" | ")[:2] for row in rows] == [
        ["| 100", "fastapi"],
        ["| 100", "flask"],
        ["| 200", "fastapi"],
    ]
    assert rows[1].endswith("yes | no |")


def test_rates_are_above_zero():
    assert rates_of("50,12.5") == [50, 12.5]
    with pytest.raises(Exception, match="above 0"):
        rates_of("50,0")


def run_of(p99s: dict[str, list[float]]) -> Run:
    return Run(
        {},
        [
            Sample(server, "const", 1, 10, rep, requests=200, p99=p99, calm=True, **TAKEN)
            for server, values in p99s.items()
            for rep, p99 in enumerate(values)
        ],
    )


@pytest.mark.parametrize(("p99", "verdict"), [(4.0, "yes"), (8.0, "yes"), (8.1, "**no**")])
def test_tail_of_fastapi_is_compared_with_gunicorn(p99, verdict):
    table = tail_table(run_of({"gunicorn": [8.0, 8.0], "fastapi": [p99, p99]}))
    assert table.splitlines()[-1].endswith(f"| {verdict} |")


def test_plots_are_drawings_of_all_servers(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "ROOT", tmp_path)
    report.write_plots(run_of({"gunicorn": [8.0], "fastapi": [4.0]}))
    for name in report.PLOTS:
        drawing = (tmp_path / "docs" / "images" / f"{name}.svg").read_text()
        assert ">gunicorn<" in drawing
        assert ">fastapi<" in drawing
