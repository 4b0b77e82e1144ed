"""Soak all server types: mixed traffic for a long time, and nothing may grow, break or be left.

    scripts/soak --minutes 10                        rewrites docs/SOAK.md and its plots
    scripts/soak --minutes 0.5 --no-document         the short form
    scripts/soak --servers fastapi --leak 10000      a model that leaks: it must fail
    scripts/soak --report bench/.results/soak-….jsonl

All servers are soaked at the same time, each by clients of its own (`soak_traffic.py`). Every few
seconds the clients of a server pause, and what the server holds is read (`soak_samples.py`). The
exit code is 1 when something grows (`growth.py`) or went wrong (`soak_report.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from measure import describe_commit, describe_machine, describe_versions
from paths import BENCH, RESULTS, ROOT, relative
from report import write_between
from servers import HOST, Server, drum, exit_on_sigterm, free_port, launch, stop, wait_ready
from soak_report import SOAK_DOCUMENT, Soak, SoakRun, problems, run_text, write_plots
from soak_samples import Observer, as_json
from soak_traffic import Traffic

logger = logging.getLogger("bench.soak")

MODEL = BENCH / "soak_model"
WORKERS = 2
#: the longest and shortest pause between two samples, and how many there should be
LONGEST, SHORTEST, SAMPLES = 15.0, 1.0, 150
#: a run goes on, for so many times its time at most, until it has so many samples
LEAST_SAMPLES, PATIENCE = 14, 4
#: below it, a run is a short one, of these servers
SHORT_SECONDS = 120.0
SHORT = ("flask", "fastapi", "gunicorn, recycling")


@dataclass(frozen=True)
class Subject:
    """A server to soak; `recycles` when its workers are replaced all the time."""

    server_type: str
    recycles: bool = False

    def __str__(self) -> str:
        return f"{self.server_type}, recycling" if self.recycles else self.server_type

    @property
    def has_arbiter(self) -> bool:
        """Are its workers processes of their own?"""
        return self.server_type != "flask"


SUBJECTS = {
    str(subject): subject
    for subject in (
        Subject("flask"),
        Subject("gunicorn"),
        Subject("fastapi"),
        Subject("gunicorn", recycles=True),
        Subject("fastapi", recycles=True),
    )
}


@dataclass(frozen=True)
class Plan:
    """What to soak, how long, and what its model leaks with each prediction."""

    subjects: Sequence[Subject]
    seconds: float
    recycle_after: int
    leak: int
    seed: int
    least_requests: int

    @property
    def period(self) -> float:
        """Seconds between two samples."""
        return min(LONGEST, max(SHORTEST, self.seconds / SAMPLES))

    @property
    def fills(self) -> int:
        """How often memory is filled before it is looked at; there is no time in a short run."""
        return 0 if self.seconds < SHORT_SECONDS else 6

    def is_over(self, seconds: float, samples: int, requests: int) -> bool:
        """Is it enough?"""
        enough = samples >= LEAST_SAMPLES and requests >= self.least_requests
        return seconds >= self.seconds * (1 if enough else PATIENCE)


class Journal:
    """The file of a run: a line of JSON for each thing that was seen, by several threads."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def write(self, kind: str, server: str, value: object) -> None:
        """Add a line."""
        with self._lock:
            self._out.write(json.dumps({"server": server, kind: value}) + "\n")


def command(subject: Subject, port: int) -> list[str]:
    """How an operator starts it."""
    line = [drum(), "server", "--code-dir", str(MODEL), "--address", f"{HOST}:{port}"]
    line += ["--server-type", subject.server_type, "--target-type", "regression"]
    return [*line, "--max-workers", str(WORKERS)] if subject.has_arbiter else line


def environment(subject: Subject, plan: Plan, temporary: Path) -> dict[str, str]:
    """Settings of a server, and what makes Python tell of sockets that nobody closed."""
    variables = {
        "TMPDIR": str(temporary),
        "PYTHONWARNINGS": "default::ResourceWarning",
        "SOAK_LEAK_BYTES": str(plan.leak),
        "DRUM_UVICORN_GRACEFUL_TIMEOUT": "20",
    }
    if subject.recycles:
        variables["DRUM_UVICORN_MAX_REQUESTS"] = str(plan.recycle_after)
        variables["DRUM_UVICORN_MAX_REQUESTS_JITTER"] = str(plan.recycle_after // 5)
    return variables


@dataclass
class SoakedServer:
    """One running server and its clients."""

    traffic: Traffic
    observer: Observer
    journal: Journal
    name: str

    async def run(self, plan: Plan, ended: threading.Event) -> None:
        """Traffic with a sample every period, for the time of the plan or until `ended`."""
        await self.traffic.fill(plan.fills)
        begin, samples = time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            group.create_task(self.traffic.run())
            while not ended.is_set():
                seconds = time.monotonic() - begin
                if plan.is_over(seconds, samples, self.traffic.tally.requests):
                    break
                await asyncio.sleep(plan.period)
                await self.traffic.pause()
                self._sample()
                await self.traffic.resume()
                samples += 1
            self.traffic.over = True

    def _sample(self) -> None:
        # blocks the loop of these clients, who rest
        tally = self.traffic.tally
        sample = self.observer.sample(tally.requests, tally.by_worker)
        self.journal.write("sample", self.name, as_json(sample))


@contextmanager
def temporary_folder(name: str) -> Iterator[Path]:
    """An empty folder for the temporary files of one server."""
    folder = RESULTS / "soak-tmp" / f"{name}-{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def soak(
    subject: Subject, number: int, plan: Plan, journal: Journal, ended: threading.Event
) -> None:
    """Start a server, soak it, stop it; everything that is seen goes to the journal."""
    name, port = str(subject), free_port()
    slug = name.replace(", ", "-")
    log = RESULTS / "logs" / f"soak-{slug}-{os.getpid()}.log"
    with temporary_folder(slug) as temporary:
        process = launch(command(subject, port), log, environment(subject, plan, temporary))
        try:
            wait_ready(Server(name, "soak", port, process.pid), process, log, b"a\n1\n")
            traffic = Traffic(port, plan.seed + number)
            if subject.recycles:
                traffic.readiness = (200, 503)
            observer = Observer(process.pid, temporary, subject.has_arbiter)
            asyncio.run(SoakedServer(traffic, observer, journal, name).run(plan, ended))
            journal.write("tally", name, traffic.tally.as_json())
            journal.write("ending", name, as_json(observer.end(process, log)))
            logger.info("%s has stopped after %d requests", name, traffic.tally.requests)
        finally:
            stop(process)


def execute(plan: Plan, out: TextIO) -> None:
    """Soak all servers at once."""
    journal, ended = Journal(out), threading.Event()
    with ThreadPoolExecutor(len(plan.subjects)) as pool:
        done = [
            pool.submit(soak, subject, number, plan, journal, ended)
            for number, subject in enumerate(plan.subjects)
        ]
        try:
            for each in done:
                each.result()
        finally:
            ended.set()


def describe(plan: Plan) -> dict[str, str]:
    """What a reader needs to judge or repeat the run."""
    return {
        "Date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "Command": f"`{' '.join(['scripts/soak', *sys.argv[1:]])}`, "
        f"commit `{describe_commit(ROOT) or 'none'}`",
        "Machine": describe_machine(),
        "Versions": describe_versions(),
        "Traffic": f"{plan.seconds / 60:g} minutes, seed {plan.seed}, 8 clients a server; "
        f"{WORKERS} workers (flask 1 process); recycling after {plan.recycle_after} requests",
    }


def read_run(path: Path) -> SoakRun:
    """A run, from its file."""
    about, *lines = path.read_text().splitlines()
    run = SoakRun(json.loads(about), {})
    for line in map(json.loads, lines):
        run.servers.setdefault(line["server"], Soak(line["server"])).take(line)
    return run


def new_run(plan: Plan) -> SoakRun:
    """Soak, and keep what was seen below `bench/.results`."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / time.strftime("soak-%Y%m%d-%H%M%S.jsonl")
    with path.open("w", buffering=1) as out:
        out.write(json.dumps(describe(plan)) + "\n")
        execute(plan, out)
    logger.info("samples are in %s", relative(path))
    return read_run(path)


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description="soak all server types")
    parser.add_argument("--minutes", type=float, default=10, help="of traffic (10)")
    known = ", ".join(name.replace(", ", "+") for name in SUBJECTS)
    parser.add_argument("--servers", metavar="NAME,...", help=f"some of {known}")
    parser.add_argument("--recycle-after", type=int, help="requests (2000; short runs 400)")
    parser.add_argument("--leak", type=int, default=0, metavar="BYTES", help="for each prediction")
    parser.add_argument("--least-requests", type=int, default=0, help="go on until then")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, metavar="FILE", help="only write its tables")
    parser.add_argument("--no-document", action="store_true", help="tables to standard output")
    return parser.parse_args()


def make_plan(options: argparse.Namespace) -> Plan:
    """The plan that the command line asks for."""
    seconds = 60 * options.minutes
    is_short = seconds < SHORT_SECONDS
    names: Sequence[str] = SHORT if is_short else tuple(SUBJECTS)
    if options.servers:
        names = [name.replace("+", ", ") for name in options.servers.split(",")]
    if unknown := set(names) - set(SUBJECTS):
        raise SystemExit(f"unknown servers {sorted(unknown)}; there are {list(SUBJECTS)}")
    return Plan(
        subjects=[SUBJECTS[name] for name in names],
        seconds=seconds,
        recycle_after=options.recycle_after or (400 if is_short else 2000),
        leak=options.leak,
        seed=options.seed,
        least_requests=options.least_requests,
    )


def main() -> int:
    """Command line; exit code 1 when something grew or went wrong."""
    options = parse_options()
    exit_on_sigterm()
    run = read_run(options.report) if options.report else new_run(make_plan(options))
    if options.no_document:
        sys.stdout.write(run_text(run) + "\n")
    else:
        write_plots(run)
        write_between(SOAK_DOCUMENT, "soak", run_text(run))
        logger.info("wrote %s", relative(SOAK_DOCUMENT))
    found = problems(run)
    for problem in found:
        logger.error("%s", problem)
    return 1 if found else 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    sys.exit(main())
