"""Latency at a fixed arrival rate: an open-loop sender, rate after rate, for each server type.

    scripts/bench open-loop                      about 8 minutes, rewrites its table of the document
    scripts/bench open-loop --rates 50,100 --seconds 3 --no-document
    scripts/bench open-loop --report FILE        the table of an earlier run again

Requests start at equal distances, whether or not earlier ones were answered, and each latency
counts from the time at which its request should have started: a pause of the server shows in every
request that it delayed (no coordinated omission). The sender is that of `drum perf-test`. A server
that has not kept up with a rate is not asked for higher ones.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from datarobot_drum.drum.cli.load_test.client import csv_request, target_of
from datarobot_drum.drum.cli.load_test.load import Open, Outcome, run_load
from make_assets import ensure_assets
from measure import (
    describe_commit,
    describe_machine,
    describe_versions,
    is_idle,
    is_quiet,
    mark,
    usage,
    wait_until,
)
from paths import DOCUMENT, MODELS, RESULTS, ROOT, ROWS, SERVER_TYPES, body_file, relative
from report import FOREIGN_LIMIT, markdown, write_between
from run import DRAIN_PATIENCE, QUIET_PATIENCE, rotated
from servers import Server, exit_on_sigterm, running

logger = logging.getLogger("bench.open_loop")

RATES = (25, 50, 100, 200, 300, 400, 600, 800, 1000, 1300, 1600)
SPARE_SECONDS = 60
PLOT = ROOT / "docs" / "images" / "open-loop.svg"
#: the share of the requests that must be answered well, within about the time, to have kept up
KEPT_UP = 0.99
LATE_SECONDS = 1.0


@dataclass(frozen=True)
class RateSample:
    """One server at one rate. Latencies in ms; `lag` is how late the sender itself was (p99)."""

    server: str
    rate: float
    answered: int
    errors: int
    p50: float
    p95: float
    p99: float
    p999: float
    worst: float
    lag: float
    seconds: float
    server_cores: float
    calm: bool

    @property
    def kept_up(self) -> bool:
        """Did the server answer as fast as it was asked?"""
        good = self.answered / max(1, self.answered + self.errors)
        return good >= KEPT_UP and self.p50 < 1000 * LATE_SECONDS


def sample_of(
    server: str, rate: float, outcome: Outcome, server_cores: float, calm: bool
) -> RateSample:
    """What a load saw, as a sample."""

    def ms(percent: float) -> float:
        return round(outcome.latency.percentile(percent) * 1e3, 3)

    return RateSample(
        server=server,
        rate=rate,
        answered=outcome.latency.count,
        errors=outcome.failed,
        p50=ms(50),
        p95=ms(95),
        p99=ms(99),
        p999=ms(99.9),
        worst=round(outcome.latency.greatest * 1e3, 3),
        lag=round(outcome.lag.percentile(99) * 1e3, 3),
        seconds=outcome.seconds,
        server_cores=server_cores,
        calm=calm,
    )


def take(server: Server, rate: float, seconds: float, body: bytes) -> RateSample:
    """One rate on one server; returns after the server has worked off what was left."""
    wait_until(lambda: is_quiet(FOREIGN_LIMIT), QUIET_PATIENCE)
    target = target_of(server.url)
    begin = mark(server.pid)
    load = Open(rate, seconds)
    outcome = run_load(load, target, csv_request(target, body), seconds + SPARE_SECONDS)
    used = usage(begin, mark(server.pid))
    wait_until(lambda: is_idle(server.pid), DRAIN_PATIENCE)
    return sample_of(
        server.name, rate, outcome, used.server_cores, used.foreign_cores < FOREIGN_LIMIT
    )


def sweep(
    servers: Sequence[Server], rates: Sequence[float], seconds: float, body: bytes
) -> Iterator[RateSample]:
    """Every server at every rate that it can keep up with, and one beyond."""
    left = list(servers)
    for number, rate in enumerate(sorted(rates)):
        kept = []
        for server in rotated(left, number) if left else []:
            sample = take(server, rate, seconds, body)
            show(sample)
            yield sample
            if sample.kept_up:
                kept.append(server)
        left = [server for server in left if server in kept]


def show(sample: RateSample) -> None:
    """One line for each sample."""
    logger.info(
        "%-9s %6g/s  p50 %.2f  p99 %.2f  p99.9 %.2f ms  errors %d  lag %.2f%s",
        sample.server,
        sample.rate,
        sample.p50,
        sample.p99,
        sample.p999,
        sample.errors,
        sample.lag,
        "" if sample.calm else "  BUSY",
    )


def measure(options: argparse.Namespace, out: TextIO) -> None:
    """Start all servers and sweep; each sample is on disk before the next begins."""
    out.write(json.dumps(describe(options)) + "\n")
    body = body_file(options.rows).read_bytes()
    with ExitStack() as stack:
        names = options.servers.split(",")
        servers = [stack.enter_context(running(name, options.model)) for name in names]
        for server in servers:
            take(server, 20, 1, body)
        for sample in sweep(servers, options.rates, options.seconds, body):
            out.write(json.dumps(asdict(sample)) + "\n")


def describe(options: argparse.Namespace) -> dict[str, str]:
    """What a reader needs to judge or repeat the run."""
    command = " ".join(["scripts/bench open-loop", *sys.argv[1:]])
    return {
        "Date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "Command": f"`{command}`, commit `{describe_commit(ROOT) or 'none'}`",
        "Machine": describe_machine(),
        "Versions": describe_versions(),
        "Load": f"model `{options.model}`, {options.rows:,} row(s) as a form, "
        f"{options.seconds:g} s a rate",
    }


def rate_table(samples: Sequence[RateSample]) -> str:
    """Latencies by rate and server."""
    head = ["requests/s sent", "server", "p50 ms", "p95 ms", "p99 ms", "p99.9 ms", "worst ms"]
    head += ["errors", "sender late p99 ms", "cores", "kept up", "calm"]
    rows = []
    for each in sorted(samples, key=lambda sample: (sample.rate, sample.server)):
        latencies = (each.p50, each.p95, each.p99, each.p999, each.worst, each.lag)
        *figures, lag = (f"{value:,.3g}" if value < 100 else f"{value:,.0f}" for value in latencies)
        row = [f"{each.rate:g}", each.server, *figures, str(each.errors), lag]
        row += [
            f"{each.server_cores:.2f}",
            *("yes" if f else "no" for f in (each.kept_up, each.calm)),
        ]
        rows.append(row)
    return markdown(head, rows)


def text(about: dict[str, str], samples: Sequence[RateSample]) -> str:
    """Everything the document says about a run."""
    lines = "\n".join(f"* {key}: {value}" for key, value in about.items())
    calm = f"* Calm samples: {sum(each.calm for each in samples)} of {len(samples)}"
    plot = "![Latency by arrival rate](images/open-loop.svg)"
    return f"{lines}\n{calm}\n\n{plot}\n\n{rate_table(samples)}"


def write_plot(samples: Sequence[RateSample]) -> None:
    """Median and 99th percentile by rate."""
    from drawing import COLOURS, figure_grid, write_svg

    figure, ((axes,),) = figure_grid(1, 1, width=7, height=4)
    styles: dict[str, Any] = {"p50": "-", "p99": "--"}
    for number, name in enumerate(dict.fromkeys(each.server for each in samples)):
        points = sorted((each for each in samples if each.server == name), key=lambda s: s.rate)
        for percentile, style in styles.items():
            axes.plot(
                [each.rate for each in points],
                [getattr(each, percentile) for each in points],
                style,
                color=COLOURS[number],
                label=f"{name} {percentile}",
            )
    axes.set_yscale("log")
    axes.set_xlabel("requests sent a second")
    axes.set_ylabel("latency (ms)")
    write_svg(figure, PLOT)


def rates_of(text: str) -> list[float]:
    """Rates from `50,100`."""
    rates = [float(part) for part in text.split(",")]
    if min(rates) <= 0:
        raise argparse.ArgumentTypeError("rates are above 0")
    return rates


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench open-loop", description="fixed rates")
    parser.add_argument("--rates", type=rates_of, default=list(RATES), metavar="R,...")
    parser.add_argument("--seconds", type=float, default=10, help="for each rate (10)")
    parser.add_argument("--model", choices=MODELS, default="const")
    parser.add_argument("--rows", type=int, choices=ROWS, default=1)
    parser.add_argument("--servers", default=",".join(SERVER_TYPES), help="comma separated")
    parser.add_argument("--report", type=Path, metavar="FILE", help="only write its table")
    parser.add_argument("--no-document", action="store_true", help="table to standard output")
    return parser.parse_args()


def read_run(path: Path) -> tuple[dict[str, str], list[RateSample]]:
    """An earlier run."""
    about, *lines = path.read_text().splitlines()
    return json.loads(about), [RateSample(**json.loads(line)) for line in lines]


def new_run(options: argparse.Namespace) -> Path:
    """Measure, and keep the samples below `bench/.results`."""
    ensure_assets()
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / time.strftime("open-loop-%Y%m%d-%H%M%S.jsonl")
    with path.open("w", buffering=1) as out:
        measure(options, out)
    logger.info("samples are in %s", relative(path))
    return path


def main() -> None:
    """Command line."""
    options = parse_options()
    exit_on_sigterm()
    about, samples = read_run(options.report or new_run(options))
    if options.no_document:
        sys.stdout.write(text(about, samples) + "\n")
    else:
        write_plot(samples)
        write_between(DOCUMENT, "open-loop", text(about, samples))
        logger.info("wrote %s", relative(DOCUMENT))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    main()
