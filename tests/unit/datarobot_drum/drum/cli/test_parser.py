"""The command line: which options there are, and how variables stand in for them."""

from __future__ import annotations

import pytest

from datarobot_drum import __version__
from datarobot_drum.drum.cli.argument import COMMAND_LETTERS
from datarobot_drum.drum.cli.arguments import ARGUMENTS, arguments_of
from datarobot_drum.drum.cli.parser import EXAMPLES, build_parser, parse

COMMANDS = list(COMMAND_LETTERS.values())


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data.csv").write_text("a\n1\n")
    (tmp_path / "labels.txt").write_text("low\nhigh\n")
    return tmp_path


@pytest.fixture
def score_line(folder):
    return ["score", "--code-dir", str(folder), "--input", str(folder / "data.csv")]


def refused(capsys, argv, environ=None) -> str:
    """The last line of the usage error that a command line gets."""
    with pytest.raises(SystemExit) as stop:
        parse(argv, environ or {})
    assert stop.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_version_is_the_program_name_and_our_version(capsys):
    with pytest.raises(SystemExit) as stop:
        parse(["--version"], {})
    assert (stop.value.code, capsys.readouterr().out) == (0, f"drum {__version__}\n")


@pytest.mark.parametrize("argv", [[], ["new"]])
def test_command_line_without_a_command_shows_help_and_fails(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(argv, {})
    assert stop.value.code == 1
    assert capsys.readouterr().out.startswith("usage: drum")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_tells_every_option_of_the_command(command, capsys):
    lines = [["model"], ["env"]] if command == "new" else [[]]
    for words in lines:
        with pytest.raises(SystemExit) as stop:
            parse([command, *words, "--help"], {})
        assert stop.value.code == 0
    told = capsys.readouterr().out
    assert [a.flags for a in arguments_of(command) if a.flags[-1] not in told] == []


@pytest.mark.parametrize("command", ["score", "server"])
def test_help_ends_with_examples_that_parse(command, capsys, folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "model").mkdir()
    (folder / "note.txt").touch()
    with pytest.raises(SystemExit):
        parse([command, "--help"], {})
    assert capsys.readouterr().out.endswith(EXAMPLES[command])
    text = EXAMPLES[command].replace("\\\n", "").replace("'", "")
    lines = [line.split() for line in text.splitlines() if line.startswith("  drum")]
    assert [parse(words[1:], {}).command for words in lines] == [command] * len(lines)


def test_each_command_accepts_an_option_once():
    for command in COMMANDS:
        dests = [argument.dest for argument in arguments_of(command)]
        assert len(dests) == len(set(dests)), command


def test_each_option_has_a_section_and_a_help_text():
    parser, commands = build_parser({})
    assert parser.prog == "drum"
    assert set(commands) == set(COMMANDS)
    assert all(argument.help and argument.commands for argument in ARGUMENTS)


def test_option_may_be_shortened_or_joined_to_its_value(score_line):
    assert parse([*score_line, "--target-t", "regression"], {}).target_type == "regression"
    assert parse([*score_line, "--target-type=anomaly"], {}).target_type == "anomaly"


def test_option_that_is_not_given_has_its_default(score_line):
    args = parse(score_line, {})
    assert (args.logging_level, args.verbose, args.output) == ("warning", False, None)
    assert (args.triton_http_port, args.from_environment) == ("8000", frozenset())


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["bogus"], "invalid choice: 'bogus'"),
        (["score"], "the following arguments are required: -cd/--code-dir, --input"),
        (["server", "-cd", "."], "the following arguments are required: --address"),
        (["server", "-cd", ".", "--address", "a:b"], "argument --address: the port in 'a:b'"),
        (["score", "-cd", "nope"], "argument -cd/--code-dir: The path nope is not a directory!"),
        (["new", "model", "-cd", ".", "--language", "r"], "The path . already exists!"),
        (["new", "model", "-cd", "n", "--language", "java"], "invalid choice: 'java'"),
        (["perf-test", "-s", "0"], "argument -s/--samples: must be > 0"),
        (["server", "--monitor", "--monitor-embedded"], "not allowed with argument --monitor"),
    ],
)
def test_wrong_usage_is_told_in_one_line(argv, message, capsys):
    assert message in refused(capsys, argv)


def test_unknown_option_is_told_by_the_program(score_line, capsys):
    assert refused(capsys, [*score_line, "--x"]) == "drum: error: unrecognized arguments: --x"


@pytest.mark.parametrize("spelling", [["-cd"], ["--code-dir"], ["--code-d"]])
def test_command_line_beats_the_variable_in_every_spelling(spelling, folder):
    environ = {"CODE_DIR": "/nowhere", "TARGET_TYPE": "anomaly"}
    argv = ["score", *spelling, str(folder), "--input", str(folder / "data.csv")]
    args = parse([*argv, "--target-type=regression"], environ)
    assert (args.code_dir, args.target_type) == (str(folder), "regression")
    assert args.from_environment == frozenset()


def test_labels_of_a_variable_may_begin_with_a_dash(score_line):
    args = parse(score_line, {"CLASS_LABELS": "-a b --verbose"})
    assert (args.class_labels, args.verbose) == (["-a", "b", "--verbose"], False)
    assert args.from_environment == {"class_labels"}


def test_one_label_of_a_variable_is_too_few(score_line, capsys):
    assert "at least 2 labels" in refused(capsys, score_line, {"CLASS_LABELS": "-a"})


def test_dash_as_output_is_stdout(score_line):
    assert parse([*score_line, "--output", "-"], {}).output is None


def test_variables_stand_in_for_a_whole_command_line(folder):
    environ = {
        "CODE_DIR": str(folder),
        "ADDRESS": "0.0.0.0:8080",
        "TARGET_TYPE": "multiclass",
        "CLASS_LABELS": "low mid high",
        "WITH_ERROR_SERVER": "True",
        "MONITOR": "no",
        "SHOW_STACKTRACE": "",
        "MLOPS_DEPLOYMENT_ID": "d1",
    }
    args = parse(["server"], environ)
    assert (args.address, args.class_labels) == (("0.0.0.0", 8080), ["low", "mid", "high"])
    assert (args.with_error_server, args.monitor, args.show_stacktrace) == (True, False, False)
    assert args.deployment_id == "d1"
    assert "monitor" not in args.from_environment


def test_variable_that_another_command_uses_is_left_alone(score_line):
    args = parse(score_line, {"ADDRESS": "no:port", "SKIP_PREDICT": "maybe"})
    assert not hasattr(args, "address")


def test_variables_never_stand_in_for_arguments_of_new(tmp_path, capsys):
    environ = {"CODE_DIR": str(tmp_path / "n"), "SHOW_STACKTRACE": "1"}
    assert "required: -cd/--code-dir" in refused(
        capsys, ["new", "model", "--language", "python"], environ
    )
    args = parse(["new", "model", "-cd", str(tmp_path / "n"), "--language", "python"], environ)
    assert args.show_stacktrace is False


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"TARGET_TYPE": "bogus"}, "argument --target-type: invalid choice: 'bogus'"),
        ({"MONITOR": "maybe"}, "variable MONITOR: value can't be converted to Bool: 'maybe'"),
        (
            {"MONITOR": "1", "MLOPS_REPORTING_FROM_UNSTRUCTURED_MODELS": "1"},
            "argument --monitor-embedded: not allowed with argument --monitor",
        ),
        ({"RUNTIME_PARAMS_FILE": "nope"}, "The file nope does not exist!"),
        ({"POSITIVE_CLASS_LABEL": "yes"}, "both positive and negative class labels"),
    ],
)
def test_bad_variable_is_wrong_usage(environ, message, score_line, capsys):
    assert message in refused(capsys, score_line, environ)


@pytest.mark.parametrize(
    "words",
    [
        ["--positive-class-label=yes", "--negative-class-label=no"],
        ["--positive-class-label", "yes", "--negative-c", "no"],
    ],
)
def test_both_binary_labels_are_accepted_in_any_spelling(words, score_line):
    args = parse([*score_line, *words], {})
    assert (args.positive_class_label, args.negative_class_label) == ("yes", "no")


def test_one_label_may_come_from_a_variable(score_line):
    args = parse([*score_line, "--negative-class-label", "no"], {"POSITIVE_CLASS_LABEL": "x y"})
    assert (args.positive_class_label, args.negative_class_label) == ("x y", "no")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--positive-class-label", "yes"], "both positive and negative class labels"),
        (["--class-labels", "low"], "Multiclass classification requires at least 2 labels."),
    ],
)
def test_missing_labels_are_wrong_usage(words, message, score_line, capsys):
    assert message in refused(capsys, [*score_line, *words])


def test_labels_come_from_one_place(score_line, folder, capsys):
    words = ["--class-labels", "a", "b", "--class-labels-file", str(folder / "labels.txt")]
    assert refused(capsys, [*score_line, *words]).endswith("provided, but not both.")


def test_labels_on_the_line_beat_the_variable_of_the_other_option(score_line, folder):
    path = str(folder / "labels.txt")
    args = parse([*score_line, "--class-labels-file", path], {"CLASS_LABELS": "a b c"})
    assert (args.class_labels_file, args.class_labels) == (("low", "high"), None)
    args = parse([*score_line, "--class-labels", "a", "b"], {"CLASS_LABELS_FILE": path})
    assert (args.class_labels, args.class_labels_file) == (["a", "b"], None)


def test_secrets_of_variables_are_never_shown(score_line, capsys):
    refused(capsys, [*score_line, "--target-type", "bogus"], {"API_TOKEN": "s3cret"})
    parse(score_line, {"API_TOKEN": "s3cret"})
    assert "s3cret" not in "".join(capsys.readouterr())
