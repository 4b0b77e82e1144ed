"""What it costs to observe a server and to guard its edge: each feature on, against all off.

    scripts/bench overhead                   about 10 minutes, rewrites its table of the document
    scripts/bench overhead --seconds 1 --reps 1 --no-document
    scripts/bench overhead --report FILE     the table of an earlier run again

The constant model is served by each server type once for each variant, all at the same time, and
the variants are loaded one right after the other, in another order each time. Shares are taken of
the server with all off in the same round.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import TextIO

import load
from make_assets import ensure_assets
from paths import BENCH, DOCUMENT, RESULTS, relative
from report import Cell, Run, Sample, markdown, with_range, write_between
from run import Plan, describe, parse_cells, read_run, rotated, round_of, show
from servers import HOST, Server, exit_on_sigterm, free_port, launch, running, stop

logger = logging.getLogger("bench.overhead")

#: the price that all features together may have, as a share of the requests a second
TARGET = 0.15
OFF, ALL = "all off", "all on"
SERVER_TYPES = ("gunicorn", "fastapi")
LOADS = "const/1:1,const/1:10,const/1:50"
#: an origin makes the answers carry headers of CORS
ORIGIN = "http://127.0.0.1:8000"

NOTHING = {"DRUM_METRICS_ENABLED": "false", "DRUM_ACCESS_LOG": "false"}
FEATURES: dict[str, dict[str, str]] = {
    "metrics": {"DRUM_METRICS_ENABLED": "true"},
    "access log": {"DRUM_ACCESS_LOG": "true"},
    "traces, metrics and logs over OTLP": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://{sink}"},
    "rate limit, CORS, docs, status page": {
        "DRUM_RATE_LIMIT_ENABLED": "true",
        "DRUM_RATE_LIMIT_RPM": "1000000",
        "DRUM_RATE_LIMIT_BURST": "1000000",
        "DRUM_CORS_ENABLED": "true",
        "DRUM_CORS_ORIGINS": ORIGIN,
        "DRUM_FASTAPI_ENABLE_DOCS": "true",
        "DRUM_ENABLE_UI": "true",
    },
}


def variants() -> dict[str, dict[str, str]]:
    """The environment of each variant, the one with all off first."""
    everything = {name: value for more in FEATURES.values() for name, value in more.items()}
    single = {name: {**NOTHING, **more} for name, more in FEATURES.items()}
    return {OFF: NOTHING, **single, ALL: {**NOTHING, **everything}}


@contextmanager
def sink() -> Iterator[str]:
    """The address of a collector that throws everything away."""
    port = free_port()
    command = [sys.executable, str(BENCH / "otlp_sink.py"), str(port)]
    process = launch(command, RESULTS / "logs" / "otlp-sink.log")
    try:
        yield f"{HOST}:{port}"
    finally:
        stop(process)


def named(server_type: str, variant: str) -> str:
    """The name of one server in the samples."""
    return f"{server_type}: {variant}"


@contextmanager
def families(types: Sequence[str], chosen: Sequence[str]) -> Iterator[list[list[Server]]]:
    """The servers of each type, one for each variant; all are up at once."""
    with ExitStack() as stack:
        address = stack.enter_context(sink())
        made = []
        for server_type in types:
            family = []
            for variant, variables in variants().items():
                if variant not in chosen:
                    continue
                environment = {k: v.format(sink=address) for k, v in variables.items()}
                server = stack.enter_context(running(server_type, "const", environment))
                family.append(replace(server, name=named(server_type, variant)))
                logger.info("%s is up", family[-1].name)
            made.append(family)
        yield made


def measure(plan: Plan, chosen: Sequence[str], out: TextIO) -> Run:
    """Every variant under every load, round after round, until the repetitions or time are over."""
    about = {
        **describe(plan),
        "Command": "`scripts/bench " + " ".join(["overhead", *sys.argv[1:]]) + "`",
    }
    out.write(json.dumps(about) + "\n")
    end = time.monotonic() + plan.deadline
    done: list[Sample] = []
    with families(plan.servers, chosen) as servers:
        for rep in range(plan.reps):
            for place, cell in enumerate(plan.cells):
                for family in servers:
                    if time.monotonic() > end:
                        logger.warning("time is over in round %d", rep + 1)
                        return Run(about, done)
                    for sample in round_of(cell, rotated(family, rep + place), rep, plan):
                        show(sample)
                        out.write(json.dumps(asdict(sample)) + "\n")
                        done.append(sample)
    return Run(about, done)


def shares(
    run: Run, cell: Cell, base: str, other: str, figure: Callable[[Sample], float], calm: bool
) -> list[float]:
    """Figure of `other` by that of `base`, for each round; only calm ones, if asked."""
    known = {each.rep: figure(each) for each in run.of(cell, base) if each.calm or not calm}
    return [
        figure(each) / known[each.rep]
        for each in run.of(cell, other)
        if known.get(each.rep) and (each.calm or not calm)
    ]


def _share(run: Run, cell: Cell, pair: tuple[str, str], figure: Callable[[Sample], float]) -> str:
    if calm := shares(run, cell, *pair, figure, calm=True):
        return with_range(calm)
    return with_range(shares(run, cell, *pair, figure, calm=False)) + " busy"


FIGURES: Mapping[str, Callable[[Sample], float]] = {
    "requests/s": lambda s: s.rate,
    "CPU a request": lambda s: s.cpu_per_request,
    "p99": lambda s: s.p99,
}


def price(run: Run, server_type: str, rate: Callable[[Sample], float], calm: bool) -> str:
    """What all features cost together: the share of `rate` that is lost, with its quartiles.

    Over all rounds of all loads.
    """
    pair = named(server_type, OFF), named(server_type, ALL)
    found = [1 - s for c in run.cells("const") for s in shares(run, c, *pair, rate, calm)]
    if len(found) < 2:
        return "no figure"
    low, middle, high = statistics.quantiles(found, n=4, method="inclusive")
    return f"{middle:.2f} ({low:.2f} to {high:.2f}, {len(found)} pairs)"


def price_table(run: Run, types: Sequence[str]) -> str:
    """The price by CPU time, which others on the machine disturb least, and by the clock."""
    rows = [
        [
            each,
            price(run, each, lambda s: 1 / s.cpu_per_request, False),
            price(run, each, lambda s: s.rate, True),
            price(run, each, lambda s: s.rate, False),
        ]
        for each in types
    ]
    head = ["all on costs", "requests a second of CPU", "requests a second, calm", "all rounds"]
    return markdown(head, rows)


def overhead_table(run: Run) -> str:
    """Each variant by the one with all off, in the same round."""
    names = {each.server for each in run.samples}
    rows = []
    for cell in run.cells("const"):
        for server_type in SERVER_TYPES:
            base = named(server_type, OFF)
            for variant in (*FEATURES, ALL):
                other = named(server_type, variant)
                if other in names:
                    found = [_share(run, cell, (base, other), f) for f in FIGURES.values()]
                    rows.append([cell.title, server_type, variant, *found])
    return markdown(["load", "server", "on", *FIGURES], rows)


def overhead_text(run: Run) -> str:
    """Everything the document says about a run."""
    about = "\n".join(f"* {key}: {value}" for key, value in run.about.items())
    names = {each.server for each in run.samples}
    types = [each for each in SERVER_TYPES if named(each, ALL) in names]
    calm = sum(each.calm for each in run.samples)
    counts = f"* Calm samples: {calm} of {len(run.samples)}; errors: "
    counts += str(sum(each.errors for each in run.samples))
    target = f"Shares of the requests that are lost: median and quartiles; the target is {TARGET}."
    parts = [f"{about}\n{counts}", target, price_table(run, types), overhead_table(run)]
    return "\n\n".join(parts)


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench overhead", description="cost of features")
    parser.add_argument("--seconds", type=float, default=2, help="length of a sample (2)")
    parser.add_argument("--reps", type=int, default=7, help="rounds (7)")
    parser.add_argument("--minutes", type=float, default=12, help="stop sampling after (12)")
    parser.add_argument("--cells", type=parse_cells, default=parse_cells(LOADS), metavar="M/R:C,..")
    parser.add_argument("--servers", default=",".join(SERVER_TYPES), help="comma separated")
    parser.add_argument("--only-all", action="store_true", help="all on against all off, no more")
    parser.add_argument("--report", type=lambda text: BENCH.parent / text, metavar="FILE")
    parser.add_argument("--no-document", action="store_true", help="table to standard output")
    return parser.parse_args()


def new_run(options: argparse.Namespace) -> Run:
    """Measure, and keep the samples below `bench/.results`."""
    plan = Plan(
        cells=options.cells,
        servers=options.servers.split(","),
        seconds=options.seconds,
        reps=options.reps,
        deadline=60 * options.minutes,
        tool=load.tool_name(),
    )
    ensure_assets()
    os.environ["ORIGIN"] = ORIGIN
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / time.strftime("overhead-%Y%m%d-%H%M%S.jsonl")
    with path.open("w", buffering=1) as out:
        run = measure(plan, (OFF, ALL) if options.only_all else tuple(variants()), out)
    logger.info("samples are in %s", relative(path))
    return run


def main() -> None:
    """Command line."""
    options = parse_options()
    exit_on_sigterm()
    run = read_run(options.report) if options.report else new_run(options)
    if options.no_document:
        sys.stdout.write(overhead_text(run) + "\n")
    else:
        write_between(DOCUMENT, "overhead", overhead_text(run))
        logger.info("wrote %s", relative(DOCUMENT))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    main()
