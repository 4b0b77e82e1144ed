"""The tables of a performance test: the columns of the reference first, then more."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from datarobot_drum.drum.cli.load_test.load import Closed
from datarobot_drum.drum.cli.load_test.results import CaseResult, ServerResult

FAIL = "Fail"
NOT_AVAILABLE = "NA"

#: A heading and how its cell is made.
Column = tuple[str, Callable[[CaseResult], str]]


def columns_of(cases: Sequence[CaseResult], *, in_server: bool) -> list[Column]:
    """The columns that the cases need."""
    columns = [*_REFERENCE_COLUMNS]
    if in_server:
        columns.append(("prediction", lambda case: _figure(case.in_server)))
    if not all(_is_plain(case) for case in cases):
        columns.append(("load", lambda case: str(case.case.load)))
    return [*columns, *_MORE_COLUMNS]


def case_table(cases: Sequence[CaseResult], *, in_server: bool) -> str:
    """One server's cases."""
    columns = columns_of(cases, in_server=in_server)
    rows = [[cell(case) for _, cell in columns] for case in cases]
    return _drawn([heading for heading, _ in columns], rows)


def _is_plain(case: CaseResult) -> bool:
    """One request after the other, as the reference sends them?"""
    load = case.case.load
    return isinstance(load, Closed) and load.clients == 1 and load.iterations is not None


def comparison(servers: Sequence[ServerResult]) -> str:
    """The same cases on several servers, side by side."""
    rows = [
        [case.case.label, str(case.case.load), server.name, *_compared(case)]
        for number in range(max(len(server.cases) for server in servers))
        for server in servers
        for case in server.cases[number : number + 1]
    ]
    return _drawn(["size", "load", "server", "p50", "p95", "p99", "req/s", "errors"], rows)


def _compared(case: CaseResult) -> list[str]:
    return [cell(case) for _, cell in _MORE_COLUMNS]


def _drawn(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from texttable import Texttable

    table = Texttable(max_width=0)
    table.set_deco(Texttable.HEADER)
    table.set_cols_dtype(["t"] * len(headings))
    table.set_cols_align(["l", *["r"] * (len(headings) - 1)])
    table.header(list(headings))
    for row in rows:
        table.add_row(list(row))
    return str(table.draw())


def _time(get: Callable[[CaseResult], float]) -> Callable[[CaseResult], str]:
    return lambda case: FAIL if case.is_failed else f"{get(case):.3f}"


def _percentile(percent: float) -> Callable[[CaseResult], str]:
    def cell(case: CaseResult) -> str:
        latency = case.outcome.latency
        return f"{latency.percentile(percent):.4f}" if latency.count else NOT_AVAILABLE

    return cell


def _figure(value: float | None) -> str:
    return NOT_AVAILABLE if value is None else f"{value:.3f}"


_REFERENCE_COLUMNS: tuple[Column, ...] = (
    ("size", lambda case: case.case.label),
    ("samples", lambda case: str(case.case.samples)),
    ("iters", lambda case: str(_iterations(case))),
    ("min", _time(lambda case: case.outcome.latency.least)),
    ("avg", _time(lambda case: case.outcome.latency.mean)),
    ("max", _time(lambda case: case.outcome.latency.greatest)),
    ("total (s)", _time(lambda case: case.outcome.seconds)),
    ("used (MB)", lambda case: _figure(case.used)),
    ("total physical (MB)", lambda case: _figure(case.total)),
)

_MORE_COLUMNS: tuple[Column, ...] = (
    ("p50", _percentile(50)),
    ("p95", _percentile(95)),
    ("p99", _percentile(99)),
    ("req/s", lambda case: f"{case.outcome.rate:.1f}"),
    ("errors", lambda case: str(case.outcome.failed)),
)


def _iterations(case: CaseResult) -> int:
    load = case.case.load
    if isinstance(load, Closed) and load.iterations is not None:
        return load.iterations
    return case.outcome.requests
