"""Compare the server types with the bare ASGI ceiling and with peers, interleaved.

    scripts/bench run                      the full run: about 50 minutes, rewrites the document
    scripts/bench run --quick              about 3 minutes without peers, tables on standard output
    scripts/bench run --report FILE        the tables of an earlier run again

All servers are up at once and load goes to one at a time, cell after cell, so that what is
compared lies seconds apart. A sample during which strangers used more than a quarter of a core is
kept and marked, but counts in no ratio; its cell is measured again in a further round. Rounds end
when each cell has enough calm ones, after twice the repetitions, or when time is over.
"""

from __future__ import annotations

import argparse
import http.client
import json
import logging
import math
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
from paths import (
    CLIENTS,
    DOCUMENT,
    MODELS,
    PEERS,
    RESULTS,
    ROOT,
    ROWS,
    SERVERS,
    relative,
)
from peer_environments import PeerError, installable
from peers import predictions_in
from report import FOREIGN_LIMIT, Cell, Run, Sample, Start, run_text, write_between, write_plots
from servers import Server, StartError, exit_on_sigterm, running

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
    """Stop unless all servers of a model predict the same; warms them up.

    Our own must answer with the same bytes; for peers see `drop_wrong_peers`.
    """
    for model in dict.fromkeys(server.model for server in servers):
        family = [each for each in servers if each.model == model and each.name not in PEERS]
        for rows in ROWS:
            body = family[0].body(rows).read_bytes()
            expected = family[0].post(body)
            for server in family * WARM_UP_REQUESTS:
                if (got := server.post(body)) != expected:
                    raise SystemExit(_difference(family[0], expected, server, got, rows))
    logger.info("all servers answer the same bytes")


def check_same_numbers(base: Server, peer: Server) -> None:
    """PeerError unless a peer predicts what a server of ours does, to 9 digits; warms it up."""
    for rows in ROWS:
        expected = predictions_in(base.form, base.post(base.body(rows).read_bytes())[1])
        for _ in range(WARM_UP_REQUESTS):
            status, answer = peer.post(peer.body(rows).read_bytes())
            got = predictions_in(peer.form, answer) if status == 200 else []
            pairs = zip(got, expected, strict=False)
            if len(got) != len(expected) or not all(math.isclose(a, b) for a, b in pairs):
                raise PeerError(f"{rows} rows: status {status}, {answer[:200]!r}")


def drop_wrong_peers(servers: Sequence[Server], missing: dict[str, str]) -> list[Server]:
    """The servers without the peers that predict something else; the reasons go to `missing`."""
    for peer in (each for each in servers if each.name in PEERS):
        base = next(each for each in servers if each.model == peer.model)
        try:
            check_same_numbers(base, peer)
        except (PeerError, ValueError, OSError, http.client.HTTPException) as error:
            missing[peer.name] = f"{peer.model}: it does not predict as {base.name} does: {error}"
            logger.warning("%s is left out: %s", peer.name, error)
    return [server for server in servers if server.name not in missing]


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
    body = server.body(cell.rows)
    process = load.start(server.url, body, cell.clients, seconds, plan.tool, server.content_type)
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
    command = " ".join(["scripts/bench run", *sys.argv[1:]])
    return {
        "Date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "Command": f"`{command}`, commit `{describe_commit(ROOT) or 'none'}`",
        "Machine": describe_machine(),
        "Versions": describe_versions(),
        "Load": f"{plan.tool}, {plan.seconds:g} s a sample, {plan.reps} calm rounds wanted",
    }


def execute(plan: Plan, out: TextIO) -> Run:
    """Start everything, check it, measure it; each round is on disk before the next begins."""
    missing = installable(name for name in plan.servers if name in PEERS)
    about = describe(plan)
    with ExitStack() as stack:
        servers = []
        for model in dict.fromkeys(cell.model for cell in plan.cells):
            for name in plan.servers:
                if name in missing:
                    continue
                try:
                    servers.append(stack.enter_context(running(name, model)))
                    logger.info("%s serves %s", name, model)
                except (StartError, PeerError) as error:
                    if name not in PEERS:
                        raise
                    missing[name] = f"{model}: {error}"
                    logger.warning("%s is left out: %s", name, error)
        check_equal_answers(servers)
        servers = drop_wrong_peers(servers, missing)
        about |= {f"Left out: {name}": _one_line(why) for name, why in missing.items()}
        out.write(json.dumps(about) + "\n")
        starts = [start_of(server) for server in servers]
        for start in starts:
            out.write(json.dumps({"start": asdict(start)}) + "\n")
        done = []
        for sample in samples(servers, plan):
            show(sample)
            out.write(json.dumps(asdict(sample)) + "\n")
            done.append(sample)
    return Run(about, done, starts)


def _one_line(text: str) -> str:
    return " ".join(text.split())[-300:]


def start_of(server: Server) -> Start:
    """How a server has started, and what it needs after a few requests."""
    return Start(server.name, server.model, server.start_up, pss_megabytes(server.processes()))


def read_run(path: Path) -> Run:
    """An earlier run, from its file."""
    about, *lines = path.read_text().splitlines()
    records = [json.loads(line) for line in lines]
    starts = [Start(**each["start"]) for each in records if "start" in each]
    taken = [Sample(**each) for each in records if "start" not in each]
    return Run(json.loads(about), taken, starts)


def measure_plan(plan: Plan) -> Run:
    """Run a plan and keep its samples below `bench/.results`."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / time.strftime("run-%Y%m%d-%H%M%S.jsonl")
    with path.open("w", buffering=1) as out:
        run = execute(plan, out)
    logger.info("samples are in %s", relative(path))
    return run


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="compare the server types with the ceiling")
    parser.add_argument("--quick", action="store_true", help="one short repetition, no document")
    parser.add_argument("--seconds", type=float, help="length of a sample (2; quick 1)")
    parser.add_argument("--reps", type=int, help="repetitions of every cell (3; quick 1)")
    parser.add_argument("--cells", type=parse_cells, default=all_cells(), metavar="M/R:C,...")
    parser.add_argument("--servers", help=f"comma separated (all: {','.join(SERVERS)})")
    parser.add_argument("--minutes", type=float, help="stop sampling after (50; quick 3)")
    parser.add_argument("--tool", choices=("auto", "wrk", "python"), default="auto")
    parser.add_argument("--report", type=Path, metavar="FILE", help="only write its tables")
    parser.add_argument("--no-document", action="store_true", help="tables to standard output")
    return parser.parse_args()


def make_plan(options: argparse.Namespace) -> Plan:
    """The plan that the command line asks for."""
    own = [name for name in SERVERS if name not in PEERS]
    names = own if options.quick else list(SERVERS)
    if options.servers:
        names = options.servers.split(",")
    if unknown := set(names) - set(SERVERS):
        raise SystemExit(f"unknown servers {sorted(unknown)}; there are {list(SERVERS)}")
    return Plan(
        cells=options.cells,
        servers=names,
        seconds=options.seconds or (1 if options.quick else 2),
        reps=options.reps or (1 if options.quick else 3),
        deadline=60 * (options.minutes or (3 if options.quick else 50)),
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
        write_plots(run)
        write_between(DOCUMENT, "run", run_text(run))
        logger.info("wrote %s", relative(DOCUMENT))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    main()
