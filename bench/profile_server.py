"""Where the time of a server under load goes, by py-spy.

    uv pip install py-spy          an optional tool of the benchmark
    python bench/profile_server.py [fastapi/const/1:10,...] [--seconds 10]

Sampled is the thread that holds the interpreter lock: it is what one process has only once. A
sample belongs to the innermost frame that a bucket knows. Time without the lock, in C code or idle,
is one row of its own. Sampling itself costs some percent. Full stacks stay in `bench/.results`.
"""

from __future__ import annotations

import argparse
import logging
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import load
from make_assets import ensure_assets
from measure import cpu_seconds, describe_machine
from paths import DOCUMENT, RESULTS, SERVERS, body_file
from report import Cell, markdown, write_between
from run import parse_cells
from servers import Server, exit_on_sigterm, running

logger = logging.getLogger("bench.profile_server")

RATE = 200
SPARE_SECONDS = 3
TARGETS = (
    "ceiling/const/1:10,fastapi/const/1:10,gunicorn/const/1:10,flask/const/1:10,"
    "fastapi/pipeline/1:10,fastapi/const/10000:10"
)
OWN = "datarobot_drum/drum/"
THREADING = r"\b(wait|notify\w*|set|acquire|start|__enter__|__exit__) \(\S*/threading\.py"
BUCKETS = (
    ("CSV parse", rf"pandas/io/(parsers|common)|{OWN}payloads/(readers|source)"),
    ("JSON", rf"pandas/io/json|/json/\w+\.py|{OWN}payloads/writers"),
    ("predict", r"/sklearn/|/scipy/|/custom\.py"),
    ("our hooks, model and output checks", rf"{OWN}(predictors|hooks|payloads)/"),
    ("our front", rf"{OWN}(flask|fastapi|gunicorn)/"),
    ("our logs, spans, statistics", rf"{OWN}(observability|resource)|/opentelemetry/|/logging/"),
    ("our core", OWN),
    ("framework", r"packages/(flask|starlette|fastapi)/|packages/werkzeug/(?!serving)"),
    ("thread hand-off", rf"/queue\.py|concurrent/futures/|/anyio/|asyncio/threads|{THREADING}"),
    ("http", r"/uvicorn/|/httptools/|/h11/|packages/gunicorn/|werkzeug/serving|/http/server"),
    ("event loop, sockets", r"/asyncio/|/uvloop/|/(selectors|socket|socketserver)\.py"),
)
UNLOCKED = "lock not held: C code or idle"


@dataclass(frozen=True)
class Target:
    """A server under one load."""

    server: str
    cell: Cell

    @property
    def title(self) -> str:
        """How the table's head names it."""
        return f"{self.server}, {self.cell.model}, {self.cell.title}"


@dataclass(frozen=True)
class Profile:
    """Shares of the time by bucket, and the rate while they were taken."""

    target: Target
    rate: float
    shares: dict[str, float]

    def cell(self, name: str) -> str:
        """One bucket as the table shows it."""
        return f"{self.shares.get(name, 0):.1%}"


def parse_target(text: str) -> Target:
    """A target from `fastapi/const/1:10`."""
    server, _, cell = text.partition("/")
    if server not in SERVERS:
        raise SystemExit(f"unknown server {server!r}; there are {list(SERVERS)}")
    return Target(server, parse_cells(cell)[0])


def bucket(stack: Sequence[str]) -> str:
    """The bucket of the innermost frame that one knows; frames are given outermost first."""
    for frame in reversed(stack):
        for name, pattern in BUCKETS:
            if re.search(pattern, frame):
                return name
    return "other"


def shares(folded: Iterable[str], ticks: int) -> dict[str, float]:
    """Share of each bucket in py-spy's folded stacks: `frame;frame;frame count` lines."""
    counts: Counter[str] = Counter()
    for line in folded:
        stack, _, count = line.rpartition(" ")
        counts[bucket(stack.split(";"))] += int(count)
    counts[UNLOCKED] = max(0, ticks - counts.total())
    return {name: count / max(ticks, counts.total()) for name, count in counts.items()}


def busiest(server: Server, cell: Cell, tool: str) -> int:
    """The process of the tree that works under a short load: the worker, not its arbiter."""
    before = {process: cpu_seconds([process]) for process in server.processes()}
    load.finish(load.start(server.url, body_file(cell.rows), cell.clients, 1, tool))
    return max(before, key=lambda process: cpu_seconds([process]) - before[process]).pid


def record(pid: int, seconds: float, out: Path) -> subprocess.CompletedProcess[str]:
    """Sample a process with py-spy."""
    command = [py_spy(), "record", "--pid", str(pid), "--duration", str(round(seconds))]
    command += ["--rate", str(RATE), "--gil", "--format", "raw", "--full-filenames"]
    command += ["--output", str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def py_spy() -> str:
    """The py-spy of this environment."""
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.is_file() else shutil.which("py-spy")
    if not found:
        raise SystemExit("py-spy is not installed; run: uv pip install py-spy")
    return found


def profile(target: Target, seconds: float) -> Profile:
    """Start the server, load it, sample it."""
    cell = target.cell
    out = RESULTS / f"profile-{target.server}-{cell.model}-{cell.rows}-{cell.clients}.folded"
    tool = load.tool_name()
    with running(target.server, cell.model) as server:
        worker = busiest(server, cell, tool)
        body = body_file(cell.rows)
        process = load.start(server.url, body, cell.clients, seconds + SPARE_SECONDS, tool)
        spied = record(worker, seconds, out)
        rate = load.finish(process).rate
    if spied.returncode:
        raise SystemExit(f"py-spy failed; it must be allowed to trace: {spied.stderr[-500:]}")
    folded = out.read_text().splitlines()
    return Profile(target, rate, shares(folded, round(seconds) * RATE))


def table(profiles: Sequence[Profile]) -> str:
    """A row for each bucket, a column for each target."""
    names = [name for name, _ in BUCKETS] + ["other", UNLOCKED]
    head = ["share of time", *(each.target.title for each in profiles)]
    rows = [["requests/s", *(f"{each.rate:,.0f}" for each in profiles)]]
    for name in names:
        rows.append([name, *(each.cell(name) for each in profiles)])
    return markdown(head, rows)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="where the time of a server goes")
    parser.add_argument("targets", nargs="?", default=TARGETS, help="server/model/rows:clients,...")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--no-document", action="store_true", help="table to standard output only")
    options = parser.parse_args()
    exit_on_sigterm()
    ensure_assets()
    targets = [parse_target(text) for text in options.targets.split(",")]
    profiles = []
    for target in targets:
        logger.info("%s", target.title)
        profiles.append(profile(target, options.seconds))
    sys.stdout.write(table(profiles) + "\n")
    if not options.no_document:
        date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        about = f"* Date: {date}\n* Machine: {describe_machine()}"
        write_between(DOCUMENT, "profile", f"{about}\n\n{table(profiles)}")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    main()
