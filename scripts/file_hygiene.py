"""Refuse files that should not be committed: large, conflict marks, untidy line ends."""

from __future__ import annotations

import sys
from pathlib import Path

MAX_BYTES = 500_000
CONFLICT_MARKS = (b"<<<<<<< ", b">>>>>>> ")


def faults(path: Path) -> list[str]:
    """What is wrong with one file; binary files are only measured."""
    data = path.read_bytes()
    found = []
    if len(data) > MAX_BYTES:
        found.append(f"{len(data)} bytes, more than {MAX_BYTES}")
    if b"\0" in data:
        return found
    if data and not data.endswith(b"\n"):
        found.append("no line end at the end of the file")
    if data.endswith(b"\n\n"):
        found.append("empty lines at the end of the file")
    lines = data.split(b"\n")
    if any(line.startswith(CONFLICT_MARKS) for line in lines):
        found.append("conflict marks")
    if any(line.endswith((b" ", b"\t", b"\r")) for line in lines):
        found.append("white space at the end of a line")
    return found


def main(names: list[str]) -> int:
    """Print each fault; the exit code is 1 when there is one."""
    paths = [path for path in map(Path, names) if path.is_file()]
    messages = [f"{path}: {fault}" for path in paths for fault in faults(path)]
    for message in messages:
        print(message)
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
