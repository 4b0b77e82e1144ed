"""`drum perf-test`: measure how a model behind a server answers under load."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.cli.checks import declared_target_type
from datarobot_drum.drum.cli.interrupts import sigterm_as_interrupt
from datarobot_drum.drum.cli.model_spec import check_target, load_parameters
from datarobot_drum.drum.cli.output import check_output, output_file
from datarobot_drum.drum.cli.values import STDOUT
from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import DrumError, OptionConflict

if TYPE_CHECKING:
    from datarobot_drum.drum.cli.load_test.cases import Case, Data
    from datarobot_drum.drum.cli.load_test.memory import Timeline
    from datarobot_drum.drum.cli.load_test.results import CaseResult, Report, ServerResult
    from datarobot_drum.drum.cli.load_test.server_process import Server

FAILED = 1
NO_PLOTS = "--html needs matplotlib, which is not installed; run: pip install 'opendrum[report]'"


def run(args: Namespace) -> int:
    """Test one server type after another and report.

    The exit code is 1 when a server did not start or when no case went well.
    """
    _check(args)
    load_parameters(args)
    if not args.url:
        check_target(args)
    with sigterm_as_interrupt():
        report = _tested(args)
    _write(report, args)
    return FAILED if report.is_failed else 0


def _check(args: Namespace) -> None:
    if args.url and args.server_type:
        raise OptionConflict("--server-type starts a server; leave it out with --url")
    if args.rate and args.concurrency:
        raise OptionConflict(
            "--concurrency sets the number of clients in a closed loop; leave it out with --rate"
        )
    if args.url and {"?", "#"} & set(args.url):
        raise OptionConflict("--url: leave out what begins with ? or #, it is no address")
    if args.iterations and (args.rate or args.duration):
        raise OptionConflict("--iterations and a load over time exclude each other")
    for name in (args.json, args.html):
        if name not in (None, STDOUT):
            check_output(name)
    if args.html and importlib.util.find_spec("matplotlib") is None:
        raise DrumError(NO_PLOTS)


def _say(args: Namespace, text: str) -> None:
    """A line for people; with the JSON report on stdout it goes to stderr."""
    stream = sys.stderr if args.json == STDOUT else sys.stdout
    stream.write(f"{text}\n")
    stream.flush()


def _tested(args: Namespace) -> Report:
    import psutil

    from datarobot_drum.drum.cli.load_test.cases import check_size, make_cases, read_data
    from datarobot_drum.drum.cli.load_test.results import Report

    if args.verbose:
        _say(args, "Detected perf-test mode")
    _say(args, f"DRUM performance test\nModel:      {args.code_dir}\nData:       {args.input}")
    data = read_data(args.input)
    _say(args, f"# Features: {data.features}\nPreparing test data...\n")
    wanted = _wanted(args)
    check_size(data, wanted.samples or 1, psutil.virtual_memory().available)
    cases = make_cases(data, wanted)
    started_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    servers = list(_servers(args, data, cases))
    target_type = declared_target_type(args)
    return Report(args.code_dir, target_type, args.input, data, started_at, servers)


def _wanted(args: Namespace) -> Any:
    from datarobot_drum.drum.cli.load_test.cases import Wanted

    return Wanted(
        args.samples, args.iterations, args.rate or (), args.duration, args.concurrency or 1
    )


def _servers(args: Namespace, data: Data, cases: list[Case]) -> Iterator[ServerResult]:
    from datarobot_drum.drum.cli.load_test.results import ServerResult

    if args.url:
        yield _tested_url(args, data, cases)
        return
    for server_type in args.server_type or (None,):
        try:
            yield _tested_type(args, server_type, data, cases)
        except DrumError as error:
            if len(args.server_type or ()) < 2:
                raise
            _say(args, f"{server_type}: {error}\n")
            yield ServerResult(server_type or "", "", error=str(error))


def _tested_type(
    args: Namespace, server_type: str | None, data: Data, cases: list[Case]
) -> ServerResult:
    from datarobot_drum.drum.cli.load_test.memory import ProcessTree, Timeline
    from datarobot_drum.drum.cli.load_test.server_process import started
    from datarobot_drum.drum.settings import Settings

    settings = Settings.load(warn=False)
    scheme = "https" if settings.ssl_certfile else "http"
    with started(args, server_type, scheme, settings.url_prefix) as (server, seconds):
        if server.process is None:  # never: it was started here
            raise DrumError("the server has no process")
        with Timeline(ProcessTree(server.process.pid)) as timeline:
            result = _measured(args, server, f"{server.base}{_path(args)}", data, cases, timeline)
        result.startup = seconds
        _say(args, "Test is done, stopping drum server\n")
    _say_table(args, result)
    return result


def _tested_url(args: Namespace, data: Data, cases: list[Case]) -> ServerResult:
    from datarobot_drum.drum.cli.load_test.memory import Timeline, told_by
    from datarobot_drum.drum.cli.load_test.server_process import Server

    base, url = _addresses(args)
    server = Server(base)
    try:
        with Timeline(lambda: None if args.in_server else told_by(server)) as timeline:
            result = _measured(args, server, url, data, cases, timeline)
    finally:
        server.close()
    _say(args, "Test is done\n")
    _say_table(args, result)
    return result


def _path(args: Namespace) -> str:
    is_transform = declared_target_type(args) == TargetType.TRANSFORM.value
    return "/transform/" if is_transform else "/predict/"


def _addresses(args: Namespace) -> tuple[str, str]:
    """Where a running server is, and where it predicts: that may be given, too."""
    base = args.url.rstrip("/")
    for word in ("/predict", "/predictions", "/invocations", "/transform"):
        if base.endswith(word):
            return base.removesuffix(word), args.url
    return base, base + _path(args)


def _measured(
    args: Namespace, server: Server, url: str, data: Data, cases: list[Case], timeline: Timeline
) -> ServerResult:
    from datarobot_drum.drum.cli.load_test.client import csv_request, target_of
    from datarobot_drum.drum.cli.load_test.load import Closed, run_load
    from datarobot_drum.drum.cli.load_test.results import ServerResult

    target = target_of(url, verify=server.process is None)
    # the first request is not counted: it imports what the model imports late
    run_load(Closed(iterations=1), target, csv_request(target, data.csv(1)), args.timeout)
    name = str(server.facts("/info/").get("drumServer", "server"))
    result = ServerResult(name, url)
    _say(args, f"Server:     {name}\nRunning test case with timeout: {args.timeout}")
    for case in cases:
        request = csv_request(target, data.csv(case.samples))
        _say(args, f"Running test case: {case.title}")
        result.cases.append(_one_case(args, server, case, target, request, timeline))
        _say_trouble(args, result.cases[-1])
    result.points = timeline.points
    return result


def _one_case(
    args: Namespace, server: Server, case: Case, target: Any, request: bytes, timeline: Timeline
) -> CaseResult:
    from datarobot_drum.drum.cli.load_test.load import run_load
    from datarobot_drum.drum.cli.load_test.results import CaseResult

    server.facts("/stats/")  # the figures in it start anew
    begin = timeline.now
    with _progress(case) as step:
        outcome = run_load(case.load, target, request, args.timeout, step)
    end = timeline.now
    stats = server.facts("/stats/")
    memory = stats.get("mem_info", {})
    in_server = stats.get("time_info", {}).get("run_predictor_total", {}).get("avg")
    return CaseResult(
        case,
        outcome,
        len(request),
        begin,
        end,
        used=memory.get("drum_rss"),
        total=memory.get("total"),
        in_server=in_server,
    )


@contextmanager
def _progress(case: Case) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from tqdm import tqdm

    total = getattr(case.load, "iterations", None)
    with tqdm(desc="Processing", total=total, unit=" requests", leave=False) as bar:

        def step(count: int) -> None:
            bar.update(count)

        yield step


def _say_trouble(args: Namespace, result: CaseResult) -> None:
    if result.outcome.timed_out:
        _say(args, f"... timed out ({args.timeout}s)")
    for reason, count in result.outcome.errors.most_common(3):
        _say(args, f"... {count} x {reason}")
    if result.is_client_late:
        late = result.outcome.lag.percentile(99)
        _say(args, f"... the client started 1 % of the requests more than {late:.3f} s late")


def _say_table(args: Namespace, result: ServerResult) -> None:
    from datarobot_drum.drum.cli.load_test.tables import case_table

    _say(args, case_table(result.cases, in_server=args.in_server) + "\n")


def _write(report: Report, args: Namespace) -> None:
    from datarobot_drum.drum.cli.load_test.tables import comparison

    tested = [server for server in report.servers if server.cases]
    if len(tested) > 1:
        _say(args, f"Comparison\n{comparison(tested)}\n")
    if args.json is not None:
        text = json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n"
        _write_text(args.json, text)
    if args.html is not None:
        from datarobot_drum.drum.cli.load_test.page import page

        _write_text(args.html, page(report))


def _write_text(name: str, text: str) -> None:
    if name == STDOUT:
        sys.stdout.write(text)
        return
    with output_file(name) as file:
        file.write(text.encode())
