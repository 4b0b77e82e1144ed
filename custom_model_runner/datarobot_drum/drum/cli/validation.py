"""`drum validation`: check that a model copes with its data, and say how it does not."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from datarobot_drum.drum.cli.interrupts import sigterm_as_interrupt
from datarobot_drum.drum.cli.model_spec import check_target, load_parameters, model_spec
from datarobot_drum.drum.cli.output import check_output, output_file
from datarobot_drum.drum.cli.values import STDOUT

if TYPE_CHECKING:
    from datarobot_drum.drum.cli.model_checks.plan import Result
    from datarobot_drum.drum.cli.model_checks.verdict import Setup

FAILED = 1
KEPT_PREFIX = "drum_validation_checks_"
MESSAGES = "messages.txt"


def run(args: Namespace) -> int:
    """Run all checks and report; the exit code is 1 when one of them failed."""
    if args.verbose:
        sys.stdout.write("Detected validation mode\n")
    if args.output not in (None, STDOUT):
        check_output(args.output)
    load_parameters(args)
    check_target(args)
    from datarobot_drum.drum.cli.model_checks.plan import is_passed

    with sigterm_as_interrupt(), _kept_files(args) as keep_in:
        setup = _setup(args, keep_in)
        results = _results(setup, args)
    _report(results, setup, args)
    return 0 if is_passed(results) else FAILED


def _setup(args: Namespace, keep_in: str | None) -> Setup:
    from datarobot_drum.drum.cli.model_checks.verdict import Setup

    return Setup(
        model=model_spec(args),
        input=args.input,
        query=args.query,
        content_type=args.content_type,
        keep_in=keep_in,
        show_stacktrace=args.show_stacktrace,
        logging_level=args.logging_level,
    )


@contextmanager
def _kept_files(args: Namespace) -> Iterator[str | None]:
    """A folder for the datasets of failed trials, gone again when nothing is in it."""
    if not args.keep_files:
        yield None
        return
    folder = tempfile.mkdtemp(prefix=KEPT_PREFIX)
    try:
        yield folder
    finally:
        if not any(Path(folder).iterdir()):
            Path(folder).rmdir()


def _results(setup: Setup, args: Namespace) -> list[Result]:
    from datarobot_drum.drum.cli.model_checks.plan import Plan
    from datarobot_drum.drum.cli.model_checks.supervisor import Supervisor

    with tempfile.TemporaryDirectory(prefix="drum_validation_") as folder:
        messages = Path(folder, MESSAGES)
        try:
            copied = dataclasses.replace(setup, input=_readable_again(setup.input, folder))
            with Supervisor(copied, messages) as supervisor:
                return list(Plan(setup, supervisor, args.timeout, _counted).run())
        finally:
            if args.verbose or args.show_stacktrace or args.logging_level != "warning":
                _pass_on(messages)


def _readable_again(path: str, folder: str) -> str:
    """The input; a copy where it is a pipe or such, because each check reads it from the start."""
    if Path(path).is_file():
        return path
    copy = Path(folder, f"input{Path(path).suffix}")
    with open(path, "rb") as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target)
    return str(copy)


def _pass_on(messages: Path) -> None:
    """What the model printed and logged, as a whole after the checks."""
    if messages.exists():
        with messages.open(encoding="utf-8", errors="replace") as file:
            shutil.copyfileobj(file, sys.stderr)


def _counted(columns: list[int]) -> Iterable[int]:
    """The columns, with a progress bar on a terminal."""
    if not sys.stderr.isatty():
        return columns
    from tqdm import tqdm

    return tqdm(columns, desc="columns", unit="", leave=False, file=sys.stderr)


def _report(results: list[Result], setup: Setup, args: Namespace) -> None:
    from datarobot_drum.drum.cli.model_checks import report

    text = json.dumps(report.as_json(results, setup), indent=2, ensure_ascii=False) + "\n"
    if args.output == STDOUT:
        sys.stdout.write(text)
        return
    sys.stdout.write(report.table(results, setup.keep_in))
    if args.output is not None:
        with output_file(args.output) as file:
            file.write(text.encode())
