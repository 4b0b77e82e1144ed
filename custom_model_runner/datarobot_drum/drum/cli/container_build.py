"""Builds the image of `--docker DIR`, with what the model's requirements.txt asks for."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datarobot_drum.drum.cli.child_process import Interrupted, run_child
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder import detect_language

REQUIREMENTS = "requirements.txt"
DOCKERFILE = "Dockerfile"
_COMMENT = re.compile(r"(^|\s)#.*")
_R_PACKAGE = re.compile(r"[A-Za-z][A-Za-z0-9.]*")


def build_image(engine: str, args: Namespace) -> str:
    """Build the image of the folder and tell its tag, by which it can be used from now on."""
    folder = Path(args.docker).resolve()
    if not (folder / DOCKERFILE).is_file():
        raise DrumError(f"--docker: the folder {folder} has no {DOCKERFILE}")
    tag = image_tag(folder)
    with _context(folder, args) as context:
        try:
            # stdout is for the result of the command
            code = run_child([engine, "build", "--tag", tag, str(context)], stdout=sys.stderr)
        except Interrupted:
            raise KeyboardInterrupt from None
    if code:
        raise DrumError(f"the image of {folder} cannot be built: the build ended with {code}")
    asked = subprocess.run(
        [engine, "image", "inspect", "--format", "{{.Id}}", tag], capture_output=True, text=True
    )
    sys.stderr.write(
        f"Image successfully built; tag: {tag}; image id: {asked.stdout.strip()}\n"
        f"Use it again without building it: --docker {tag}\n"
    )
    return tag


def image_tag(folder: Path) -> str:
    """The names of the folder and of the one it is in, in lower case."""
    return "/".join(part for part in (folder.parent.name, folder.name) if part).lower()


@contextmanager
def _context(folder: Path, args: Namespace) -> Iterator[Path]:
    """The folder to build in: a copy with one more line where the model has requirements."""
    path = Path(args.code_dir, REQUIREMENTS)
    if args.skip_deps_install or not path.is_file():
        yield folder
        return
    language = detect_language(args.code_dir, getattr(args, "language", None))
    line = install_line(language, path.read_text(encoding="utf-8"))
    if line is None:
        sys.stderr.write(
            f"{REQUIREMENTS} of the model is left out: it is not supported for language "
            f"{language!r}; have the image hold what the model needs\n"
        )
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="drum-docker-") as place:
        context = Path(place, "context")
        shutil.copytree(folder, context, symlinks=True)
        with (context / DOCKERFILE).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
        yield context


def install_line(language: str, requirements: str) -> str | None:
    """The line of a Dockerfile that installs the requirements; None where there is no way to."""
    lines = [_COMMENT.sub("", line).strip() for line in requirements.splitlines()]
    wanted = [line for line in lines if line]
    if language == "python":
        return f"RUN pip3 install {' '.join(_pip_words(wanted))}" if wanted else ""
    if language == "r":
        return _r_line(wanted) if wanted else ""
    return None


def _pip_words(wanted: list[str]) -> Iterator[str]:
    for line in wanted:
        # an option and its value are two words, a requirement may have blanks in it
        for word in shlex.split(line) if line.startswith("-") else [line]:
            escaped = word.replace("'", "'\"'\"'")
            yield f"'{escaped}'"


def _r_line(wanted: list[str]) -> str:
    bad = [name for name in wanted if not _R_PACKAGE.fullmatch(name)]
    if bad:
        raise DrumError(f"{REQUIREMENTS} of the model: {bad[0]!r} is no name of an R package")
    names = ", ".join(f"'{name}'" for name in wanted)
    code = f"install.packages(c({names}), repos='https://cloud.r-project.org')"
    return f"RUN {json.dumps(['Rscript', '-e', code])}"
