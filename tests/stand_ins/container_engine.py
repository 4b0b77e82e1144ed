#!/usr/bin/env python3
"""A container engine without containers: it notes its command line and runs the command here.

Paths of the container become those of its mounts. The folder of the variable ENGINE_FOLDER holds
`images` (a folder with a file for each image that is there) and gets `calls.jsonl`; a file `down`
there means that no service answers, and `version` is what `drum --version` prints in an image.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

FOLDER = Path(os.environ["ENGINE_FOLDER"])
WITH_VALUE = {"--entrypoint", "--user", "-v", "-e", "-p", "--memory", "--memory-swap"}
KEPT = {"PATH", "HOME", "LANG", "PYTHONPATH"}


def main(words: list[str]) -> int:
    with (FOLDER / "calls.jsonl").open("a") as file:
        file.write(json.dumps({"words": words}) + "\n")
    if (FOLDER / "down").exists():
        return fail("Cannot connect to the Docker daemon. Is the docker daemon running?")
    if words[:2] == ["image", "inspect"]:
        return inspect(words[-1])
    return build(words) if words[0] == "build" else run(words[1:])


def fail(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1


def image(name: str) -> Path:
    return FOLDER / "images" / name.replace("/", "_")


def inspect(name: str) -> int:
    if not image(name).exists():
        return fail(f"Error response from daemon: No such image: {name}:latest")
    sys.stdout.write("sha256:0123\n")
    return 0


def build(words: list[str]) -> int:
    dockerfile = Path(words[-1], "Dockerfile")
    shutil.copy(dockerfile, FOLDER / "built")
    sys.stdout.write("building\n")
    if "FAIL" in dockerfile.read_text():
        return 4
    image(words[words.index("--tag") + 1]).touch()
    return 0


def run(words: list[str]) -> int:
    options: dict[str, list[str]] = {}
    while words[0].startswith("-"):
        option = words.pop(0)
        options.setdefault(option, []).append(words.pop(0) if option in WITH_VALUE else "")
    name, *command = words
    if command[:2] == ["sh", "-c"]:
        version = (FOLDER / "version").read_text()
        sys.stdout.write(f"drum {version}\n" if version else "sh: drum: not found\n")
        return 0 if version else 127
    mounts = [mount.split(":")[:2] for mount in options.get("-v", [])]
    for source, target in mounts:
        command = [word.replace(target, source) for word in command]
    passed = KEPT.union(options.get("-e", []))
    environ = {name: value for name, value in os.environ.items() if name in passed}
    program = [sys.executable, "-m", "datarobot_drum.drum.entry_point", *command[1:]]
    os.execve(program[0], program, environ)  # noqa: S606 - there is no shell, as wanted


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
