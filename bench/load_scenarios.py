"""Scenarios of locust: 1, 10, 50 and 100 users, then ever more until over 1 % of requests fail.

    scripts/bench load                             about 8 minutes, rewrites its table
    scripts/bench load --users 1,10 --seconds 5 --ramp-step 0 --no-document
    scripts/bench load --report FILE               the table of an earlier run again

locust is in an environment of its own (`peer_environments.py`). Each user waits 10 to 50 ms
between two requests (`locustfile.py`). One server is up at a time.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from make_assets import ensure_assets
from measure import describe_commit, describe_machine, describe_versions
from paths import ASSETS, BENCH, DOCUMENT, MODELS, RESULTS, ROOT, SERVER_TYPES, relative
from peer_environments import VENVS, ensure_environment
from report import markdown, write_between
from servers import HOST, Server, exit_on_sigterm, running

logger = logging.getLogger("bench.load_scenarios")

USERS = (1, 10, 50, 100)
#: a ramp has at most so many steps
RAMP_STEPS = 40
SPARE_SECONDS = 120


@dataclass(frozen=True)
class Scenario:
    """What one run of locust saw; latencies in ms. `steps` are those of a ramp."""

    server: str
    users: int
    requests: int
    errors: int
    rate: float
    p50: float
    p95: float
    p99: float
    reasons: Sequence[str]
    steps: Sequence[Mapping[str, Any]]

    @property
    def is_ramp(self) -> bool:
        """Did the number of users grow?"""
        return bool(self.steps)


def locust(server: Server, users: int, options: argparse.Namespace, ramp: bool) -> Scenario:
    """One run of locust on a server."""
    result = RESULTS / f"locust-{os.getpid()}.json"
    result.unlink(missing_ok=True)
    command = [str(VENVS / "locust" / "bin" / "locust"), "-f", str(BENCH / "locustfile.py")]
    command += ["--headless", "--only-summary", "--host", f"http://{HOST}:{server.port}"]
    environment = {**os.environ, "BODIES": str(ASSETS), "RESULT": str(result)}
    seconds = options.seconds
    if ramp:
        step = options.ramp_step
        environment |= {"RAMP_STEP": str(step), "RAMP_SECONDS": str(options.ramp_seconds)}
        environment["RAMP_MOST"] = str(step * RAMP_STEPS)
        seconds = options.ramp_seconds * RAMP_STEPS * 2
    else:
        command += ["--users", str(users), "--spawn-rate", str(users)]
        command += ["--run-time", f"{seconds:g}s"]
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds + SPARE_SECONDS,
        check=False,
    )
    # locust's exit code is 1 when there were errors, which a ramp looks for
    if not result.is_file():
        raise SystemExit(f"locust failed (exit {done.returncode}): {done.stderr[-2000:]}")
    said = json.loads(result.read_text())
    result.unlink()
    most = max((step["users"] for step in said["steps"]), default=users)
    return Scenario(server.name, most, **said)


def scenarios(options: argparse.Namespace) -> Iterator[Scenario]:
    """Every server with every number of users, then with a ramp."""
    for name in options.servers.split(","):
        with running(name, options.model) as server:
            for users in options.users:
                yield locust(server, users, options, ramp=False)
            if options.ramp_step:
                yield locust(server, 0, options, ramp=True)


def user_table(done: Sequence[Scenario]) -> str:
    """The fixed numbers of users."""
    head = ["users", "server", "requests/s", "p50 ms", "p95 ms", "p99 ms", "requests", "errors"]
    fixed = sorted((one for one in done if not one.is_ramp), key=lambda one: one.users)
    rows = [
        [
            str(one.users),
            one.server,
            f"{one.rate:,.0f}",
            *(f"{value:,.0f}" for value in (one.p50, one.p95, one.p99)),
            f"{one.requests:,}",
            str(one.errors),
        ]
        for one in fixed
    ]
    return markdown(head, rows)


def ramp_table(done: Sequence[Scenario]) -> str:
    """Where the ramps ended."""
    head = ["server", "users without errors", "users at the end", "errors there", "requests/s"]
    head += ["p99 ms", "most requests/s of a step", "errors were"]
    rows = []
    for one in (one for one in done if one.is_ramp):
        last = one.steps[-1]
        clean = max((step["users"] for step in one.steps if not step["errors"]), default=0)
        rows.append(
            [
                one.server,
                str(clean),
                str(last["users"]),
                f"{last['errors'] / max(1, last['requests']):.1%}",
                f"{last['rate']:,.0f}",
                f"{last['p99'] or 0:,.0f}",
                f"{max(step['rate'] for step in one.steps):,.0f}",
                "; ".join(one.reasons) or "-",
            ]
        )
    return markdown(head, rows)


def text(about: Mapping[str, str], done: Sequence[Scenario]) -> str:
    """Everything the document says about a run."""
    lines = "\n".join(f"* {key}: {value}" for key, value in about.items())
    parts = [lines, user_table(done)]
    return "\n\n".join([*parts, ramp_table(done)] if any(one.is_ramp for one in done) else parts)


def describe(options: argparse.Namespace) -> dict[str, str]:
    """What a reader needs to judge or repeat the run."""
    command = " ".join(["scripts/bench load", *sys.argv[1:]])
    return {
        "Date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "Command": f"`{command}`, commit `{describe_commit(ROOT) or 'none'}`",
        "Machine": describe_machine(),
        "Versions": describe_versions(),
        "Load": f"locust, model `{options.model}`, {options.seconds:g} s for each number of users; "
        f"ramp of {options.ramp_step} users more every {options.ramp_seconds:g} s",
    }


def new_run(options: argparse.Namespace) -> Path:
    """Run locust, and keep what it said below `bench/.results`."""
    ensure_assets()
    ensure_environment("locust")
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / time.strftime("load-%Y%m%d-%H%M%S.jsonl")
    with path.open("w", buffering=1) as out:
        out.write(json.dumps(describe(options)) + "\n")
        for one in scenarios(options):
            logger.info("%s", one)
            out.write(json.dumps(asdict(one)) + "\n")
    logger.info("results are in %s", relative(path))
    return path


def read_run(path: Path) -> tuple[dict[str, str], list[Scenario]]:
    """An earlier run."""
    about, *lines = path.read_text().splitlines()
    return json.loads(about), [Scenario(**json.loads(line)) for line in lines]


def whole_numbers(text: str) -> list[int]:
    """Numbers of users from `1,10`."""
    return [int(part) for part in text.split(",")]


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench load", description="users of locust")
    parser.add_argument("--users", type=whole_numbers, default=list(USERS), metavar="N,...")
    parser.add_argument("--seconds", type=float, default=15, help="for each number of users (15)")
    parser.add_argument("--ramp-step", type=int, default=50, help="users; 0 for no ramp (50)")
    parser.add_argument("--ramp-seconds", type=float, default=5, help="of each step (5)")
    parser.add_argument("--model", choices=MODELS, default="const")
    parser.add_argument("--servers", default=",".join(SERVER_TYPES), help="comma separated")
    parser.add_argument("--report", type=Path, metavar="FILE", help="only write its table")
    parser.add_argument("--no-document", action="store_true", help="table to standard output")
    return parser.parse_args()


def main() -> None:
    """Command line."""
    options = parse_options()
    exit_on_sigterm()
    about, done = read_run(options.report or new_run(options))
    if options.no_document:
        sys.stdout.write(text(about, done) + "\n")
    else:
        write_between(DOCUMENT, "load", text(about, done))
        logger.info("wrote %s", relative(DOCUMENT))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    main()
