"""Replay the recordings against this environment's `drum`: each server type, the command line.

The recordings' folder is copied first, because their artifacts are built inside it.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVER_TYPES = ("flask", "gunicorn", "fastapi")
#: Capabilities that are not part of this version.
NOT_YET = "openai-proxy,moderation-seam,custom-task-interface"
#: Groups of command-line cases: those that count whole, and those of which only some commands do.
WHOLE_GROUPS = "abcdefghis"
PARTIAL_GROUPS = "jkp"
COMMANDS = ("score", "server")
PARALLEL = 2


@dataclass(frozen=True)
class Job:
    """One replay: its name in the summary and its command."""

    name: str
    command: list[str]


def cli_case_ids(folder: Path) -> list[str]:
    """Ids of the command-line cases that this version must pass."""
    cases = [json.loads(path.read_text()) for path in sorted(folder.glob("cases/*/cmd.json"))]
    return [case["id"] for case in cases if _is_required(case["id"], case["argv"])]


def _is_required(case_id: str, argv: list[str]) -> bool:
    if case_id[0] in WHOLE_GROUPS:
        return True
    return case_id[0] in PARTIAL_GROUPS and bool(argv) and argv[0] in COMMANDS


def prepare_http(http: Path) -> None:
    """Make the copy replayable where it lies.

    Folders that hold nothing but an artifact are missing in it, and some recorded answers name
    the folder that they were recorded in.
    """
    path = http / "golden.jsonl"
    exchanges = [json.loads(line) for line in path.read_text().splitlines()]
    for name in {x["model"] for x in exchanges if x.get("model")}:
        (http / "models" / name).mkdir(parents=True, exist_ok=True)
    recorded_in = next(filter(None, map(_recorded_in, exchanges)))
    for exchange in exchanges:
        body = _body(exchange).replace(recorded_in, bytes(http))
        if body:
            exchange["response"]["body"] = base64.b64encode(body).decode()
    path.write_text("".join(f"{json.dumps(x)}\n" for x in exchanges))


def _body(exchange: dict[str, Any]) -> bytes:
    return base64.b64decode(exchange.get("response", {}).get("body") or "")


def _recorded_in(exchange: dict[str, Any]) -> bytes:
    """The folder of the recording, which `/info/` tells; empty for other exchanges."""
    code_dir = re.search(rb'"codeDir":"([^"]*)/models/', _body(exchange))
    return code_dir[1] if code_dir else b""


def jobs(golden: Path, drum: str) -> list[Job]:
    """The replays, the longest first so that two at a time end together."""
    http = [sys.executable, str(golden / "http" / "replay.py"), "--drum", drum, "--level", "must"]
    skip = ["--skip-requires", NOT_YET]
    cli = [sys.executable, str(golden / "cli" / "replay.py"), "--drum", drum, "--quiet"]
    return [
        *(Job(f"http {name}", [*http, *skip, "--server-type", name]) for name in SERVER_TYPES),
        Job("cli", [*cli, "--jobs", "1", *cli_case_ids(golden / "cli")]),
    ]


def run(job: Job) -> bool:
    """Run one replay, print what it said and how long it took."""
    start = time.monotonic()
    done = subprocess.run(job.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seconds = time.monotonic() - start
    verdict = "ok" if done.returncode == 0 else "FAILED"
    print(f"{done.stdout}-- {job.name}: {verdict}, {seconds:.0f} s", flush=True)
    return done.returncode == 0


def main(folder: str) -> int:
    """Copy the recordings, build their artifacts, run every replay; 1 when one of them fails."""
    drum = shutil.which("drum")
    if drum is None:
        print("golden: no drum command; run scripts/install first", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="golden-") as work:
        golden = Path(work, "golden")
        shutil.copytree(folder, golden)
        prepare_http(golden / "http")
        for script in ("http/build_pickles.py", "cli/build.py"):
            subprocess.run([sys.executable, str(golden / script)], check=True)
        with ThreadPoolExecutor(PARALLEL) as pool:
            return 0 if all(list(pool.map(run, jobs(golden, drum)))) else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: scripts/golden FOLDER")
    sys.exit(main(sys.argv[1]))
