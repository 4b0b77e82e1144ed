"""Compare the server types with the bare ASGI ceiling, interleaved, and write the tables.

    python bench/run.py                      the full run: about 25 minutes, rewrites the document
    python bench/run.py --quick              about 3 minutes, tables on standard output only
    python bench/run.py --report FILE        the tables of an earlier run again

All servers are up at once and load goes to one at a time, cell after cell, so that what is
compared lies seconds apart. A sample during which strangers used more than a quarter of a core is
kept and marked, but counts in no ratio; its cell is measured again in a further round. Rounds end
when each cell has enough calm ones, after twice the repetitions, or when time is over.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import load
from make_assets import ensure_assets
from measure import (
    describe_commit,
    describe_machine,
    describe_versions,
    is_idle,
    is_quiet,
    mark,
    pss_megabytes,
    usage,
    wait_until,
)
from paths import CLIENTS, DOCUMENT, MODELS, RESULTS, ROOT, ROWS, SERVERS, body_file, relative
from report import FOREIGN_LIMIT, Cell, Run, Sample, run_text, write_between
from servers import Server, exit_on_sigterm, running

logger = logging.getLogger("bench.run")

ROUNDS_PER_REPETITION = 2
QUIET_PATIENCE = 2.0
DRAIN_PATIENCE = 15.0
WARM_UP_REQUESTS = 3


@dataclass(frozen=True)
class Plan:
    """What to measure and how long."""

    cells: Sequence[Cell]
    servers: Sequence[str]
    seconds: float
    reps: int
    deadline: float
    tool: str


def all_cells() -> list[Cell]:
    """Every model with every number of rows and clients."""
    return [Cell(m, rows, clients) for m in MODELS for rows in ROWS for clients in CLIENTS]


def parse_cells(text: str) -> list[Cell]:
    """Cells from `const/1:10,pipeline/10000:1`."""
    cells = []
    for item in text.split(","):
        model, _, load_text = item.partition("/")
        rows, _, clients = load_text.partition(":")
        try:
            cell = Cell(model, int(rows), int(clients))
        except ValueError:
            raise SystemExit(f"bad cell {item!r}; write model/rows:clients") from None
        if cell.model not in MODELS or cell.rows not in ROWS or cell.clients < 1:
            raise SystemExit(f"bad cell {item!r}; models {MODELS}, rows {ROWS}")
        cells.append(cell)
    return cells


def check_equal_answers(servers: Sequence[Server]) -> None:
    """Stop unless all servers of a model answer each body with the same bytes; warms them up."""
    for model in dict.fromkeys(server.model for server in servers):
        family = [server for server in servers if server.model == model]
        for rows in ROWS:
            body = body_file(rows).read_bytes()
            expected = family[0].post(body)
            for server in family * WARM_UP_REQUESTS:
                if (got := server.post(body)) != expected:
                    raise SystemExit(_difference(family[0], expected, server, got, rows))
    logger.info("all servers answer the same bytes")


def _difference(
    base: Server, expected: tuple[int, bytes], other: Server, got: tuple[int, bytes], rows: int
) -> str:
    pairs = enumerate(zip(expected[1], got[1], strict=False))
    place = next((i for i, (a, b) in pairs if a != b), min(len(expected[1]), len(got[1])))
    cut = slice(max(0, place - 40), place + 40)
    return (
        f"{other.name} and {base.name} differ for {other.model}, {rows} rows, at byte {place}:\n"
        f"{other.name}: {got[0]} {got[1][cut]!r}\n{base.name}: {expected[0]} {expected[1][cut]!r}"
    )


def seconds_for(cell: Cell, seconds: float) -> float:
    """Slow loads get twice the time, else only the first answers of each client would count."""
    return seconds * 2 if cell.rows * cell.clients >= 100_000 else seconds


def take_sample(server: Server, cell: Cell, rep: int, plan: Plan) -> Sample:
    """One load on one server; returns only after the server has worked off what was left."""
    wait_until(lambda: is_quiet(FOREIGN_LIMIT), QUIET_PATIENCE)
    seconds = seconds_for(cell, plan.seconds)
    begin = mark(server.pid)
    process = load.start(server.url, body_file(cell.rows), cell.clients, seconds, plan.tool)
    time.sleep(seconds * 0.6)
    pss = pss_megabytes(server.processes())
    result = load.finish(process)
    used = usage(begin, mark(server.pid))
    wait_until(lambda: is_idle(server.pid), DRAIN_PATIENCE)
    return Sample(
        server=server.name,
        rep=rep,
        rate=result.rate,
        pss=pss,
        calm=used.foreign_cores < FOREIGN_LIMIT,
        **asdict(cell),
        **asdict(result),
        **asdict(used),
    )


def rotated(servers: Sequence[Server], by: int) -> list[Server]:
    """The servers in an order that starts elsewhere each time."""
    by %= len(servers)
    return [*servers[by:], *servers[:by]]


def round_of(cell: Cell, servers: Sequence[Server], rep: int, plan: Plan) -> list[Sample]:
    """One sample of every server under one load, one right after the other."""
    return [take_sample(server, cell, rep, plan) for server in servers]


def samples(servers: Sequence[Server], plan: Plan) -> Iterator[Sample]:
    """Sample every server under every load, round after round, until enough rounds were calm."""
    end = time.monotonic() + plan.deadline
    calm_rounds: Counter[Cell] = Counter()
    for rep in range(plan.reps * ROUNDS_PER_REPETITION):
        for place, cell in enumerate(plan.cells):
            if calm_rounds[cell] >= plan.reps:
                continue
            if time.monotonic() > end:
                logger.warning("time is over in round %d", rep + 1)
                return
            family = [server for server in servers if server.model == cell.model]
            taken = round_of(cell, rotated(family, rep + place), rep, plan)
            calm_rounds[cell] += all(sample.calm for sample in taken)
            yield from taken


def show(sample: Sample) -> None:
    """One line for each sample, so that a run can be watched."""
    logger.info(
        "%-9s %-18s %8.1f/s  p50 %.2f  p99 %.2f ms  errors %d  cores %.2f  foreign %.2f%s",
        sample.server,
        sample.cell,
        sample.rate,
        sample.p50,
        sample.p99,
        sample.errors,
        sample.server_cores,
        sample.foreign_cores,
        "" if sample.calm else "  BUSY",
    )


def describe(plan: Plan) -> dict[str, str]:
    """What a reader needs to judge or repeat the run."""
    command = " ".join(["python bench/run.py", *sys.argv[1:]])
    return {
        "Date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "Command": f"`{command}`, commit `{describe_commit(ROOT) or 'none'}`",
        "Machine": describe_machine(),
        "Versions": describe_versions(),
        "Load": f"{plan.tool}, {plan.seconds:g} s a sample, {plan.reps} calm rounds wanted",
    }


def execute(plan: Plan, out: TextIO) -> Run:
    """Start everything, check it, measure it; each round is on disk before the next begins."""
    about = describe(plan)
    out.write(json.dumps(about) + "\n")
    done = []
    with ExitStack() as stack:
        servers = []
        for model in dict.fromkeys(cell.model for cell in plan.cells):
            for name in plan.servers:
                servers.append(stack.enter_context(running(name, model)))
                logger.info("%s serves %s", name, model)
        check_equal_answers(servers)
        for sample in samples(servers, plan):
            show(sample)
            out.write(json.dumps(asdict(sample)) + "\n")
            out.flush()
            done.append(sample)
    return Run(about, done)


def read_run(path: Path) -> Run:
    """An earlier run, from its file."""
    about, *lines = path.read_text().splitlines()
    return Run(json.loads(about), [Sample(**json.loads(line)) for line in lines])


def measure_plan(plan: Plan) -> Run:
    """Run a plan and keep its samples below `bench/.results`."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / time.strftime("run-%Y%m%d-%H%M%S.jsonl")
    with path.open("w") as out:
        run = execute(plan, out)
    logger.info("samples are in %s", relative(path))
    return run


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="compare the server types with the ceiling")
    parser.add_argument("--quick", action="store_true", help="one short repetition, no document")
    parser.add_argument("--seconds", type=float, help="length of a sample (2; quick 1)")
    parser.add_argument("--reps", type=int, help="repetitions of every cell (5; quick 1)")
    parser.add_argument("--cells", type=parse_cells, default=all_cells(), metavar="M/R:C,...")
    parser.add_argument("--servers", default=",".join(SERVERS), help="comma separated")
    parser.add_argument("--minutes", type=float, help="stop sampling after (23; quick 3)")
    parser.add_argument("--tool", choices=("auto", "wrk", "python"), default="auto")
    parser.add_argument("--report", type=Path, metavar="FILE", help="only write its tables")
    parser.add_argument("--no-document", action="store_true", help="tables to standard output")
    return parser.parse_args()


def make_plan(options: argparse.Namespace) -> Plan:
    """The plan that the command line asks for."""
    names = options.servers.split(",")
    if unknown := set(names) - set(SERVERS):
        raise SystemExit(f"unknown servers {sorted(unknown)}; there are {list(SERVERS)}")
    return Plan(
        cells=options.cells,
        servers=names,
        seconds=options.seconds or (1 if options.quick else 2),
        reps=options.reps or (1 if options.quick else 5),
        deadline=60 * (options.minutes or (3 if options.quick else 23)),
        tool=load.tool_name(options.tool),
    )


def main() -> None:
    """Command line."""
    options = parse_options()
    exit_on_sigterm()
    if options.report:
        run = read_run(options.report)
    else:
        ensure_assets()
        run = measure_plan(make_plan(options))
    if options.quick or options.no_document:
        sys.stdout.write(run_text(run) + "\n")
    else:
        write_between(DOCUMENT, "run", run_text(run))
        logger.info("wrote %s", relative(DOCUMENT))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    main()
