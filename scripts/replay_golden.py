"""Replay the recordings against this environment's `drum`: each server type, the command line.

The recordings' folder is copied first, because their artifacts are built inside it.
"""

from __future__ import annotations

import base64
import itertools
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
#: They wait for servers most of the time.
PARALLEL = 3
#: What recordings need whose stand-in of an inference server listens on one fixed port.
FIXED_PORT = "openai-proxy"


@dataclass(frozen=True)
class Job:
    """One replay: its name in the summary and its command."""

    name: str
    command: list[str]


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


def add_openai(http: Path) -> None:
    """Put the openai package where some recordings look for it; others want it to be missing."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", str(http / "extra"), "openai>=1.50"], check=True)


def _body(exchange: dict[str, Any]) -> bytes:
    return base64.b64decode(exchange.get("response", {}).get("body") or "")


def _recorded_in(exchange: dict[str, Any]) -> bytes:
    """The folder of the recording, which `/info/` tells; empty for other exchanges."""
    code_dir = re.search(rb'"codeDir":"([^"]*)/models/', _body(exchange))
    return code_dir[1] if code_dir else b""


def jobs(golden: Path, drum: str) -> list[list[Job]]:
    """The replays that may run at a time, the longest first, and then those that may not."""
    http = [sys.executable, str(golden / "http" / "replay.py"), "--drum", drum, "--level", "must"]
    cli = [sys.executable, str(golden / "cli" / "replay.py"), "--drum", drum, "--quiet"]
    servers = ",".join(_servers_on_fixed_port(golden / "http"))
    shared = ["--skip-requires", FIXED_PORT]
    return [
        [
            Job("cli", [*cli, "--jobs", "1"]),
            *(
                Job(f"http {name}", [*http, *shared, "--server-type", name])
                for name in SERVER_TYPES
            ),
        ],
        *(
            [Job(f"http {name} {FIXED_PORT}", [*http, "--servers", servers, "--server-type", name])]
            for name in SERVER_TYPES
        ),
    ]


def _servers_on_fixed_port(http: Path) -> list[str]:
    exchanges = map(json.loads, (http / "golden.jsonl").read_text().splitlines())
    return sorted({x["server"] for x in exchanges if FIXED_PORT in (x.get("requires") or ())})


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
        add_openai(golden / "http")
        for script in ("http/build_pickles.py", "cli/build.py"):
            subprocess.run([sys.executable, str(golden / script)], check=True)
        with ThreadPoolExecutor(PARALLEL) as pool:
            passed = [list(pool.map(run, group)) for group in jobs(golden, drum)]
        return 0 if all(itertools.chain(*passed)) else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: scripts/golden FOLDER")
    sys.exit(main(sys.argv[1]))
