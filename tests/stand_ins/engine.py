"""Sets up the stand-in for a container engine in a folder, and reads what it noted."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from datarobot_drum import __version__

STAND_IN = Path(__file__).with_name("container_engine.py")


class Engine:
    """The folder of the stand-in, and the variables with which a command finds it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "images").mkdir(parents=True)
        (folder / "images" / "my_image").touch()
        (folder / "version").write_text(__version__)
        for name in ("docker", "podman"):
            (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
            (folder / name).chmod(0o755)
        paths = [str(folder), str(Path(sys.executable).parent), "/usr/bin", "/bin"]
        self.environ = {"ENGINE_FOLDER": str(folder), "PATH": os.pathsep.join(paths)}

    @property
    def calls(self) -> list[list[str]]:
        lines = (self.folder / "calls.jsonl").read_text().splitlines()
        return [json.loads(line)["words"] for line in lines]

    @property
    def command(self) -> list[str]:
        """The last `run`."""
        return self.calls[-1]

    def values(self, option: str) -> list[str]:
        """What the option of the last `run` was given, each time."""
        pairs = zip(self.command, self.command[1:], strict=False)
        return [value for name, value in pairs if name == option]
