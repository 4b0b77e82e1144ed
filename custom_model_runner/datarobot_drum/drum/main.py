"""Run one command of the `drum` program, and turn every error into an exit code."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from datarobot_drum.drum.cli.parser import parse
from datarobot_drum.drum.errors import DrumError, HookError, OptionConflict
from datarobot_drum.drum.exceptions import BaseCustomUserError

logger = logging.getLogger("drum")

#: The module whose `run` does each command; only the one that is asked for is imported.
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "score": "datarobot_drum.drum.cli.score",
        "server": "datarobot_drum.drum.cli.serve",
        "fit": "datarobot_drum.drum.cli.fit",
        "validation": "datarobot_drum.drum.cli.validation",
        "perf-test": "datarobot_drum.drum.cli.perf_test",
        "new": "datarobot_drum.drum.cli.new",
        "push": "datarobot_drum.drum.cli.push",
    }
)

#: Commands whose exit code 0 says that a result is there, so that model code must not choose it.
_WITH_RESULT = frozenset({"score", "fit"})
#: What runs a command when `--docker` is given; `push` uploads from here.
CONTAINER = "datarobot_drum.drum.cli.container"

FAILED = 1
INTERRUPTED = 130
#: What the system keeps of an exit code.
EXIT_CODE_BITS = 0xFF
STACKTRACE_HINT = "--show-stacktrace shows where it comes from"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line, by default that of this process, and return its exit code.

    No exception leaves it: an error is one line on stderr.
    """
    from datarobot_drum.drum.observability.logs import setup_logging
    from datarobot_drum.drum.settings import wants_json_logs

    _open_missing_streams()
    try:
        args = parse(sys.argv[1:] if argv is None else argv)
    except SystemExit as stop:
        return _flushed(_exit_code(stop))
    setup_logging(getattr(args, "logging_level", "warning"), as_json=wants_json_logs())
    try:
        code = _run(args)
    except BaseException as error:
        code = _code_of(error, args)
    return _flushed(code)


def _open_missing_streams() -> None:
    """Let what is written to a closed stdout or stderr (`>&-`) vanish.

    The number must be taken, too, or the next file that is opened would get what libraries and
    child processes print.
    """
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is not None:
            continue
        descriptor = os.open(os.devnull, os.O_WRONLY)
        if descriptor != number:
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.set_inheritable(number, True)
        setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))


def _run(args: Namespace) -> int:
    from datarobot_drum.drum.cli import checks

    checks.check_options(args, os.environ)
    in_container = getattr(args, "docker", None) and args.command != "push"
    command = importlib.import_module(CONTAINER if in_container else COMMANDS[args.command])
    checks.refuse_missing_parts(args)
    code: int = command.run(args)
    return code


def _code_of(error: BaseException, args: Namespace) -> int:
    """Tell the error in the way of its kind; the exit code that goes with it."""
    if isinstance(error, KeyboardInterrupt):
        sys.stdout.write("Ctrl+C pressed, aborting drum\n")
        return INTERRUPTED
    if isinstance(error, SystemExit):
        return _left_by_model(error, args) if args.command in _WITH_RESULT else _exit_code(error)
    if isinstance(error, BrokenPipeError):
        return _reader_left()
    if isinstance(error, OptionConflict):
        sys.stdout.write(f"{error}\n")
        return error.exit_code
    shown = _shown(error, args)
    logger.error("%s", _text(error, hint=shown is None), exc_info=shown)
    return error.exit_code if isinstance(error, DrumError) else FAILED


def _text(error: BaseException, *, hint: bool) -> str:
    if isinstance(error, (DrumError, BaseCustomUserError)):
        text = str(error)
        has_more = isinstance(error, HookError)
    else:
        text = f"{type(error).__name__}: {error}"
        has_more = True
    return f"{text} ({STACKTRACE_HINT})" if hint and has_more else text


def _shown(error: BaseException, args: Namespace) -> BaseException | None:
    return error if getattr(args, "show_stacktrace", False) else None


def _left_by_model(stop: SystemExit, args: Namespace) -> int:
    """Never 0: whoever reads it must not take a result for granted that is not there."""
    logger.error(
        "the model code ended the command with sys.exit(%s); %s",
        "" if stop.code is None else repr(stop.code),
        # chunks of rows may already be on stdout
        "the output is not complete" if args.output is None else "no output was written",
        exc_info=_shown(stop, args),
    )
    code = stop.code if isinstance(stop.code, int) else FAILED
    return code if code & EXIT_CODE_BITS else FAILED


def _exit_code(stop: SystemExit) -> int:
    """What the interpreter would do with it: a number, nothing, or a text for stderr."""
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    sys.stderr.write(f"{stop.code}\n")
    return FAILED


def _flushed(code: int) -> int:
    try:
        if not sys.stdout.closed:  # a write to a broken pipe may have closed it
            sys.stdout.flush()
    except BrokenPipeError:
        return _reader_left()
    return code


def _reader_left() -> int:
    """Be quiet about a closed pipe; without this the interpreter complains at its end."""
    if not sys.stdout.closed:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED
