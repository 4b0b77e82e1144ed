"""The `drum` command line: subcommands, help, and the reading of arguments and variables."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from datarobot_drum import __version__
from datarobot_drum.drum.cli import completion
from datarobot_drum.drum.cli.argument import SECTIONS, Argument
from datarobot_drum.drum.cli.arguments import arguments_of
from datarobot_drum.drum.cli.environment import list_stand_ins, stand_in, stand_ins
from datarobot_drum.drum.cli.values import TOO_FEW_LABELS

BOTH_LABELS = (
    "Error - for binary classification case, both positive and negative class labels have to be "
    "provided."
)
ONE_LABELS_SOURCE = (
    "Error - for multiclass classification, either the class labels or a class labels file should "
    "be provided, but not both."
)

SUMMARIES: Mapping[str, str] = MappingProxyType(
    {
        "score": "predict the rows of a file",
        "fit": "train a model",
        "perf-test": "measure a model behind a server",
        "validation": "check that a model copes with its data",
        "server": "answer predictions over HTTP",
        "new": "create a model folder from a template",
        "push": "upload a model to the platform",
    }
)

EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "score": """\
examples:
  drum score --code-dir model --input data.csv --target-type regression --output result.csv
  drum score -cd model --input data.csv --target-type binary \\
      --positive-class-label yes --negative-class-label no
  drum score -cd model --input note.txt --target-type unstructured --query 'lang=en&top=3'
  CODE_DIR=model TARGET_TYPE=regression drum score --input data.csv > result.csv
""",
        "fit": """\
examples:
  drum fit --code-dir model --input data.csv --target-type regression --target price \\
      --output trained
  drum fit -cd model --input data.csv --target-type binary --target churn --num-rows 1000
  drum fit -cd model --input x.mtx --sparse-column-file x.columns --target-csv y.csv \\
      --target-type multiclass --output trained --verbose --enable-fit-metadata
""",
        "perf-test": """\
examples:
  drum perf-test --code-dir model --input data.csv --target-type regression
  drum perf-test -cd model --input data.csv --target-type regression -s 100 -i 20 --in-server
  drum perf-test -cd model --input data.csv --target-type regression \\
      --server-type gunicorn,fastapi --rate 10,20 --duration 2 --html report.html --json report.json
  drum perf-test -cd model --input data.csv --target-type regression --concurrency 8 --duration 2
""",
        "validation": """\
examples:
  drum validation --code-dir model --input data.csv --target-type regression
  drum validation -cd model --input data.csv --target-type regression --timeout 60 \\
      --keep-files --output checks.json
""",
        "new": """\
examples:
  drum new model --code-dir hooks --language python
  drum new model --code-dir flats --language python --target-type regression
  drum new env --code-dir image
""",
        "server": """\
examples:
  drum server --code-dir model --target-type regression --address localhost:8080
  drum server -cd model --target-type multiclass --class-labels low mid high \\
      --address 0.0.0.0:8080 --server-type fastapi --max-workers 4
  CODE_DIR=model ADDRESS=0.0.0.0:8080 WITH_ERROR_SERVER=1 drum server
  curl --form X=@data.csv http://localhost:8080/predict/
""",
        "push": """\
examples:
  DATAROBOT_ENDPOINT=https://app.example.com/api/v2 DATAROBOT_API_TOKEN=... \\
      drum push --code-dir model
  drum push -cd model --docker my/environment --memory 2g
""",
    }
)

#: `drum new` itself accepts these too, before the word `model`.
_NEW_OPTIONS = frozenset({"verbose", "logging_level"})

#: What `drum new env` accepts; `drum new model` takes all but `framework`.
_ENV_OPTIONS = _NEW_OPTIONS | {"code_dir", "framework", "show_stacktrace"}

#: Commands whose arguments have no stand-ins.
_WITHOUT_STAND_INS = frozenset({"new"})

Subparsers = dict[str, argparse.ArgumentParser]


def parse(argv: Sequence[str], environ: Mapping[str, str] | None = None) -> argparse.Namespace:
    """Read a command line and the variables that stand in for what it leaves out.

    Ends the process as argparse does: 0 after help, 1 without a subcommand, 2 on wrong usage.
    Besides the options the result has `command`, `from_environment` (names of the options that
    a variable filled), `format_help`, and `command_line` (the words themselves).
    """
    environ = os.environ if environ is None else environ
    parser, commands = build_parser(environ)
    if completion.VARIABLE in os.environ:
        completion.complete(parser)
    given = vars(parser.parse_args(argv))
    command = _command(parser, commands, given)
    subparser, arguments = commands[command], arguments_of(command)
    try:
        words = stand_ins(arguments, given, _usable(command, environ))
        lists = list_stand_ins(arguments, given, _usable(command, environ))
    except ValueError as error:
        subparser.error(str(error))
    line = [*argv, *(word for words_of_one in words.values() for word in words_of_one)]
    namespace = parser.parse_args(line, argparse.Namespace(**lists))
    _check_labels(subparser, namespace)
    _fill_defaults(namespace, arguments)
    namespace.from_environment = frozenset({*words, *lists})
    namespace.format_help = subparser.format_help
    namespace.command_line = tuple(argv)
    return namespace


def build_parser(
    environ: Mapping[str, str],
) -> tuple[argparse.ArgumentParser, Subparsers]:
    """The parser and its subcommands; an argument whose variable is set is not required."""
    parser = argparse.ArgumentParser(
        prog="drum",
        description="Score a model folder, or serve it over HTTP.",
        epilog="`drum COMMAND --help` tells the options of a command and shows examples.",
    )
    parser.add_argument("--version", action="version", version=f"drum {__version__}")
    subparsers = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    commands = {name: _add_command(subparsers, name, environ) for name in SUMMARIES}
    return parser, commands


def _add_command(subparsers: Any, name: str, environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _new_parser(subparsers, name, SUMMARIES[name])
    if name != "new":
        _add_arguments(parser, name, arguments_of(name), environ)
        return parser
    options = [argument for argument in arguments_of(name) if argument.dest in _NEW_OPTIONS]
    _add_arguments(parser, name, options, {})
    kinds = parser.add_subparsers(dest="kind", title="what to create", metavar="KIND")
    for kind, (summary, accepts) in _NEW_KINDS.items():
        kind_parser = _new_parser(kinds, kind, summary, EXAMPLES[name])
        accepted = [argument for argument in arguments_of(name) if accepts(argument.dest)]
        _add_arguments(kind_parser, name, accepted, {})
    return parser


#: What `drum new` can create: the sentence of its help, and which options it takes.
_NEW_KINDS: Mapping[str, tuple[str, Callable[[str], bool]]] = MappingProxyType(
    {
        "model": ("a folder with hooks to fill in", lambda dest: dest != "framework"),
        "env": ("the folder of an image that serves model folders", _ENV_OPTIONS.__contains__),
    }
)


def _new_parser(
    subparsers: Any, name: str, summary: str, examples: str | None = None
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=examples or EXAMPLES.get(name),
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def _add_arguments(
    parser: argparse.ArgumentParser,
    command: str,
    arguments: Iterable[Argument],
    environ: Mapping[str, str],
) -> None:
    sections: dict[str, Any] = {}
    groups: dict[str, Any] = {}
    for argument in arguments:
        if argument.section not in sections:
            sections[argument.section] = parser.add_argument_group(SECTIONS[argument.section])
        target = sections[argument.section]
        # Labels have a message of their own, and the file beats the variable of the other.
        if argument.exclusive not in (None, "labels"):
            if argument.exclusive not in groups:
                groups[argument.exclusive] = target.add_mutually_exclusive_group()
            target = groups[argument.exclusive]
        options = {**argument.kind, "dest": argument.dest, "help": _help(argument)}
        if argument.required_by(command) and stand_in(argument, environ) is None:
            options["required"] = True
        target.add_argument(*argument.flags, **options)


def _help(argument: Argument) -> str:
    text = argument.help.replace("%", "%%")
    return f"{text} [{', '.join(argument.env)}]" if argument.env else text


def _command(
    parser: argparse.ArgumentParser, commands: Subparsers, given: Mapping[str, Any]
) -> str:
    command = given["command"]
    if command is None or (command == "new" and given["kind"] is None):
        (commands[command] if command else parser).print_help(sys.stdout)
        raise SystemExit(1)
    return str(command)


def _usable(command: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    return {} if command in _WITHOUT_STAND_INS else environ


def _check_labels(parser: argparse.ArgumentParser, namespace: argparse.Namespace) -> None:
    given = vars(namespace)
    if ("positive_class_label" in given) != ("negative_class_label" in given):
        parser.error(BOTH_LABELS)
    if "class_labels" in given and "class_labels_file" in given:
        parser.error(ONE_LABELS_SOURCE)
    if len(given.get("class_labels", ("", ""))) < 2:
        parser.error(TOO_FEW_LABELS)


def _fill_defaults(namespace: argparse.Namespace, arguments: Iterable[Argument]) -> None:
    for argument in arguments:
        if not hasattr(namespace, argument.dest):
            setattr(namespace, argument.dest, argument.default)
