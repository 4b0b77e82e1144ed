"""Send one very large CSV through `drum score` and through every server type.

    python bench/upload.py [--megabytes 300] [--models const] [--ways score,flask,gunicorn,fastapi]

For each way: are there as many predictions as rows, how long did it take, how much memory did the
process tree need at most. Every measurement has a fresh process. The client streams the file from
disk and the answer to a counter, so neither is ever whole in the client's memory.
"""

from __future__ import annotations

import argparse
import http.client
import json
import logging
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from make_assets import count_rows, ensure_assets, make_large_csv
from measure import describe_machine, peak_megabytes, process_tree, reset_peaks, rss_megabytes
from paths import (
    CEILING,
    DOCUMENT,
    MODELS,
    REFERENCE,
    RESULTS,
    SERVER_TYPES,
    model_folder,
    relative,
)
from peer_environments import installable
from report import markdown, write_between
from servers import HOST, Server, drum, exit_on_sigterm, launch, running, stop

logger = logging.getLogger("bench.upload")

BLOCK = 1 << 20
TIMEOUT = 600
BOUNDARY = "bench-boundary-7MA4YWxkTrZu0gW"
START, END = b'{"predictions":[', b"]}"
WAYS = ("score", *SERVER_TYPES, REFERENCE)


@dataclass(frozen=True)
class Upload:
    """One large file through one door. Memory in MB of the whole process tree."""

    model: str
    door: str
    status: str
    rows_sent: int
    rows_answered: int
    wall: float
    before: float
    peak: float

    @property
    def right(self) -> bool:
        """Whether every row got a prediction."""
        return self.rows_answered == self.rows_sent


@dataclass
class AnswerCounter:
    """Counts the numbers of a predictions answer that arrives in blocks."""

    head: bytes = b""
    tail: bytes = b""
    commas: int = 0

    def feed(self, block: bytes) -> None:
        """Take the next block of the answer."""
        self.head += block[: 200 - len(self.head)]
        self.tail = (self.tail + block)[-len(END) :]
        self.commas += block.count(b",")

    @property
    def rows(self) -> int:
        """How many numbers there were, -1 when it was no predictions answer."""
        whole = self.head.startswith(START) and self.tail == END
        return self.commas + 1 if whole else -1


def blocks_of(path: Path) -> Iterator[bytes]:
    """The file in blocks."""
    with path.open("rb") as source:
        while block := source.read(BLOCK):
            yield block


def raw_body(path: Path) -> tuple[dict[str, str], Iterable[bytes]]:
    """Headers and blocks of the file as it is."""
    return {"Content-Type": "text/csv", "Content-Length": str(path.stat().st_size)}, blocks_of(path)


def multipart_body(path: Path) -> tuple[dict[str, str], Iterable[bytes]]:
    """Headers and blocks of a form with the file as its part `X`."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="X"; filename="X.csv"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    ).encode()
    foot = f"\r\n--{BOUNDARY}--\r\n".encode()
    size = len(head) + path.stat().st_size + len(foot)
    media_type = f"multipart/form-data; boundary={BOUNDARY}"

    def blocks() -> Iterator[bytes]:
        yield head
        yield from blocks_of(path)
        yield foot

    return {"Content-Type": media_type, "Content-Length": str(size)}, blocks()


BODIES = {"raw": raw_body, "multipart": multipart_body}


def post(server: Server, path: Path, form: str) -> tuple[int, AnswerCounter]:
    """Stream the file to the server and count the answer."""
    headers, body = BODIES[form](path)
    connection = http.client.HTTPConnection(HOST, server.port, timeout=TIMEOUT)
    counter = AnswerCounter()
    try:
        connection.request("POST", "/predict/", body, headers)
        reply = connection.getresponse()
        while block := reply.read(BLOCK):
            counter.feed(block)
    finally:
        connection.close()
    if counter.rows < 0:
        logger.error("%s answered %d %r", server.name, reply.status, counter.head)
    return reply.status, counter


def through_server(name: str, model: str, form: str, path: Path, rows: int) -> Upload:
    """The file through a fresh server."""
    with running(name, model) as server:
        reset_peaks(server.processes())
        before = peak_megabytes(server.processes())
        begin = time.perf_counter()
        status, counter = post(server, path, form)
        wall = time.perf_counter() - begin
        peak = peak_megabytes(server.processes())
    door = f"{name}, {form}"
    return Upload(model, door, str(status), rows, counter.rows, wall, before, peak)


def through_score(model: str, path: Path, rows: int) -> Upload:
    """The file through `drum score`; its memory can only be polled, as it ends by itself."""
    output = RESULTS / "score.csv"
    output.unlink(missing_ok=True)
    command = [drum(), "score", "--code-dir", str(model_folder(model)), "--input", str(path)]
    command += ["--output", str(output), "--target-type", "regression"]
    begin = time.perf_counter()
    process = launch(command, RESULTS / "logs" / "score.log")
    before = peak = 0.0
    try:
        while process.poll() is None:
            family = process_tree(process.pid)
            before = before or rss_megabytes(family)
            peak = max(peak, peak_megabytes(family))
            time.sleep(0.02)
        wall = time.perf_counter() - begin
    finally:
        stop(process)
    answered = count_rows(output) if output.is_file() else -1
    output.unlink(missing_ok=True)
    status = f"exit {process.returncode}"
    return Upload(model, "drum score", status, rows, answered, wall, before, peak)


def uploads(models: Iterable[str], ways: Iterable[str], path: Path) -> Iterator[Upload]:
    """Every model through every door."""
    rows = count_rows(path)
    for model in models:
        for way in ways:
            if way == "score":
                yield through_score(model, path, rows)
            else:
                for form in ("raw",) if way == CEILING else BODIES:
                    yield through_server(way, model, form, path, rows)


def table(done: Iterable[Upload]) -> str:
    """What the document shows."""
    head = ["model", "through", "status", "rows sent", "predictions", "wall s"]
    head += ["memory before MB", "peak MB"]
    rows = [
        [
            each.model,
            each.door,
            each.status,
            f"{each.rows_sent:,}",
            f"{each.rows_answered:,}" + ("" if each.right else " WRONG"),
            f"{each.wall:.1f}",
            "-" if each.door == "drum score" else f"{each.before:,.0f}",
            f"{each.peak:,.0f}",
        ]
        for each in done
    ]
    return markdown(head, rows)


def text(done: Iterable[Upload], path: Path) -> str:
    """The table with what a reader needs to judge or repeat it."""
    command = " ".join(["python bench/upload.py", *sys.argv[1:]])
    about = [
        f"* Date: {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}",
        f"* Command: `{command}`",
        f"* Machine: {describe_machine()}",
        f"* File: {path.stat().st_size / 1e6:,.0f} MB",
    ]
    return "\n".join(about) + "\n\n" + table(done)


def measure(models: Iterable[str], ways: Iterable[str], path: Path) -> list[Upload]:
    """All uploads; each is on disk before the next begins."""
    done = []
    RESULTS.mkdir(parents=True, exist_ok=True)
    results = RESULTS / time.strftime("upload-%Y%m%d-%H%M%S.jsonl")
    with results.open("w") as out:
        for each in uploads(models, ways, path):
            logger.info("%s", each)
            out.write(json.dumps(asdict(each)) + "\n")
            out.flush()
            done.append(each)
    logger.info("results are in %s", relative(results))
    return done


def names(text: str, known: Iterable[str]) -> list[str]:
    """A comma-separated list of known names."""
    chosen = text.split(",")
    if unknown := set(chosen) - set(known):
        raise SystemExit(f"unknown {sorted(unknown)}; there are {list(known)}")
    return chosen


def main() -> int:
    """Command line; exit code 1 when a row count is wrong."""
    parser = argparse.ArgumentParser(description="one very large CSV through every door")
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--models", default="const", help="comma separated")
    parser.add_argument("--ways", default=",".join(WAYS), help="comma separated, also `ceiling`")
    parser.add_argument("--no-document", action="store_true", help="table to standard output only")
    options = parser.parse_args()
    exit_on_sigterm()
    ensure_assets()
    path = make_large_csv(options.megabytes)
    models, ways = names(options.models, MODELS), names(options.ways, (*WAYS, CEILING))
    missing = installable(way for way in ways if way == REFERENCE)
    ways = [way for way in ways if way not in missing]
    done = measure(models, ways, path)
    sys.stdout.write(table(done) + "\n")
    if not options.no_document:
        write_between(DOCUMENT, "upload", text(done, path))
    return 0 if all(each.right for each in done) else 1


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    sys.exit(main())
