"""The table of all command line arguments: who accepts them and which variable stands in."""

from __future__ import annotations

from datarobot_drum.drum.cli import values
from datarobot_drum.drum.cli.argument import COUNT, FILE, FLAG, TEXT, Argument, choice, named
from datarobot_drum.drum.cli.platform_arguments import PLATFORM_ARGUMENTS
from datarobot_drum.drum.enum import SERVER_TYPE_NAMES, TargetType

LOGGING_LEVELS = ("all", "debug", "info", "warn", "warning", "error", "critical", "fatal")
TARGET_TYPES = tuple(target.value for target in TargetType)
STDOUT_FORMATS = ("table", "csv", "json")
DEFAULT_CONTENT_TYPE = "text/plain; charset=utf8"


_MODEL = (
    Argument(
        "model",
        ("-cd", "--code-dir"),
        "SFPVWU",
        "folder with the model: artifact, custom.py, model-metadata.yaml",
        {"type": values.existing_dir, "metavar": "DIR"},
        required="SFPVWU",
        env=("CODE_DIR",),
    ),
    Argument(
        "model",
        ("-cd", "--code-dir"),
        "N",
        "folder to create; must not exist",
        {"type": values.new_path, "metavar": "DIR"},
        required="N",
    ),
    Argument(
        "model",
        ("--target-type",),
        "SFPVW",
        f"what the model predicts: {', '.join(TARGET_TYPES)}; "
        "default: targetType of model-metadata.yaml",
        {"choices": TARGET_TYPES, "metavar": "TYPE"},
        env=("TARGET_TYPE",),
    ),
    Argument(
        "model",
        ("--positive-class-label",),
        "SFPVW",
        "name of the positive class of a binary target",
        named("LABEL"),
        env=("POSITIVE_CLASS_LABEL",),
    ),
    Argument(
        "model",
        ("--negative-class-label",),
        "SFPVW",
        "name of the negative class of a binary target",
        named("LABEL"),
        env=("NEGATIVE_CLASS_LABEL",),
    ),
    Argument(
        "model",
        ("--class-labels",),
        "SFPVW",
        "names of the classes of a multiclass or multilabel target",
        {"nargs": "+", "metavar": "LABEL"},
        env=("CLASS_LABELS",),
        exclusive="labels",
    ),
    Argument(
        "model",
        ("--class-labels-file",),
        "SFPVW",
        "file with the names of the classes, one a line",
        {"type": values.labels_file, "metavar": "FILE"},
        env=("CLASS_LABELS_FILE",),
        exclusive="labels",
    ),
    Argument(
        "model",
        ("--language",),
        "SPVW",
        "language of the model code; default: found by the files in the folder",
        choice("python", "r", "java", "other"),
    ),
    Argument(
        "model",
        ("--language",),
        "N",
        "language of the template",
        choice("python", "r", "other"),
        required="N",
    ),
    Argument(
        "model",
        ("--strict-metadata",),
        "SFPVW",
        "refuse a model-metadata.yaml that DRUM 1.18 would refuse",
        FLAG,
        False,
    ),
    Argument(
        "model",
        ("--target-type",),
        "N",
        "make code that runs, for this target type; default: all hooks, commented out",
        {"choices": TARGET_TYPES, "metavar": "TYPE"},
    ),
    Argument(
        "model",
        ("--framework",),
        "N",
        "framework or language of the models, such as torch or r; default: scikit-learn alone",
        named("NAME"),
    ),
    Argument(
        "model",
        ("--runtime-params-file",),
        "SPVW",
        "YAML file with values of the runtime parameters",
        FILE,
        env=("RUNTIME_PARAMS_FILE",),
    ),
    Argument(
        "model",
        ("--lazy-loading-file",),
        "SVW",
        "YAML file that says which model files to fetch at the start",
        FILE,
        env=("LAZY_LOADING_FILE",),
    ),
)

_DATA = (
    Argument("data", ("--input",), "SFPV", "data to read", FILE, required="SFPV"),
    Argument(
        "data",
        ("--output",),
        "S",
        "file for the result; written only when all went well; default, or -: stdout",
        {"type": values.any_path_but_stdout, "metavar": "FILE"},
    ),
    Argument(
        "data",
        ("--output",),
        "F",
        "existing folder for the trained model",
        {"type": values.fit_output_dir, "metavar": "DIR"},
    ),
    Argument(
        "data",
        ("--output",),
        "V",
        "file for the results as JSON; - writes them to stdout in place of the table",
        {"type": values.any_path_or_stdout, "metavar": "FILE"},
    ),
    Argument(
        "data",
        ("--stdout-format",),
        "S",
        "form of a result on stdout; default: table on a terminal, csv otherwise",
        choice(*STDOUT_FORMATS),
    ),
    Argument(
        "data",
        ("--chunk-rows",),
        "S",
        "score N rows at a time; says that the hooks treat each row alone",
        COUNT,
    ),
    Argument(
        "data",
        ("--sparse-column-file",),
        "SF",
        "column names of an .mtx input, one a line",
        FILE,
    ),
    Argument(
        "data",
        ("--query",),
        "SPVW",
        "query string for an unstructured model, such as 'a=1&b=2'",
        TEXT,
    ),
    Argument(
        "data",
        ("--content-type",),
        "SPVW",
        f"content type of an unstructured input; default: {DEFAULT_CONTENT_TYPE!r}",
        TEXT,
    ),
)

_SERVER = (
    Argument(
        "server",
        ("--address",),
        "W",
        f"where to listen: HOST[:PORT]; default port {values.DEFAULT_PORT}",
        {"type": values.address, "metavar": "HOST[:PORT]"},
        required="W",
        env=("ADDRESS",),
    ),
    Argument(
        "server",
        ("--server-type",),
        "W",
        f"one of {', '.join(SERVER_TYPE_NAMES)}; default: parameter DRUM_SERVER_TYPE",
        named("TYPE"),
    ),
    Argument(
        "server",
        ("--server-type",),
        "P",
        "server types to start and compare, separated by commas; default: that of `drum server`",
        {"type": values.server_types, "metavar": "TYPE[,TYPE]"},
    ),
    Argument(
        "server",
        ("--max-workers",),
        "PW",
        "worker processes; default: MAX_WORKERS, else 1",
        COUNT,
        default=0,
    ),
    Argument(
        "server",
        ("--production",),
        "PW",
        "deprecated: only asks for a number of workers",
        FLAG,
        False,
        env=("PRODUCTION",),
    ),
    Argument(
        "server",
        ("--with-error-server",),
        "W",
        "when the model cannot be loaded, stay up and answer 513 with the reason",
        FLAG,
        False,
        env=("WITH_ERROR_SERVER",),
    ),
    Argument(
        "server",
        ("--deployment-config",),
        "W",
        "JSON file of a deployment; answers take the platform's form",
        FILE,
        env=("DEPLOYMENT_CONFIG",),
    ),
)

_FIT = (
    Argument("fit", ("--target",), "F", "target column", named("COLUMN"), exclusive="target"),
    Argument("fit", ("--target-csv",), "F", "file with the target", FILE, exclusive="target"),
    Argument(
        "fit", ("--row-weights",), "F", "weights column", named("COLUMN"), exclusive="weights"
    ),
    Argument("fit", ("--row-weights-csv",), "F", "file with weights", FILE, exclusive="weights"),
    Argument(
        "fit",
        ("--skip-predict",),
        "F",
        "do not predict with the trained model",
        FLAG,
        False,
        env=("SKIP_PREDICT",),
    ),
    Argument(
        "fit",
        ("--num-rows",),
        "F",
        "rows to train on, taken at random, or ALL; default: ALL",
        {"type": values.row_count, "metavar": "N"},
    ),
    Argument("fit", ("--parameter-file",), "F", "JSON file with hyperparameters", FILE),
    Argument(
        "fit",
        ("--disable-strict-validation",),
        "FU",
        "only log data that breaks the typeSchema",
        FLAG,
        False,
    ),
    Argument(
        "fit",
        ("--enable-fit-metadata",),
        "FU",
        "write fit_runtime_data.json beside the model",
        FLAG,
        False,
    ),
    Argument(
        "fit",
        ("--strict-exit",),
        "F",
        "fail when the trained model predicts the same data differently twice",
        FLAG,
        False,
    ),
)

_TEST = (
    Argument("test", ("-s", "--samples"), "P", "rows of one request", COUNT),
    Argument("test", ("-i", "--iterations"), "P", "requests to send", COUNT),
    Argument("test", ("--timeout",), "P", "seconds for one test case", COUNT, 600),
    Argument("check", ("--timeout",), "V", "seconds that one check may take", COUNT, 600),
    Argument(
        "check",
        ("--keep-files",),
        "V",
        "keep the data that a check failed on, in a folder below the temporary one",
        FLAG,
        False,
    ),
    Argument("test", ("--in-server",), "P", "also show the time inside the server", FLAG, False),
    Argument(
        "test",
        ("--url",),
        "P",
        "test this running server instead of starting one",
        named("URL"),
    ),
    Argument(
        "test",
        ("--rate",),
        "P",
        "open loop: send so many requests a second, answered or not; several rates run in turn",
        {"type": values.rates, "metavar": "R[,R]"},
    ),
    Argument(
        "test",
        ("--duration",),
        "P",
        "seconds of the load; default: 10 with --rate, else a number of requests is sent",
        COUNT,
    ),
    Argument(
        "test",
        ("--concurrency",),
        "P",
        "closed loop: so many clients, each waits for its answer; default: 1",
        {"type": values.clients, "metavar": "N"},
    ),
    Argument(
        "test",
        ("--json",),
        "P",
        "file for the results as JSON; - writes them to stdout, and all else to stderr",
        {"type": values.any_path_or_stdout, "metavar": "FILE"},
    ),
    Argument(
        "test",
        ("--html",),
        "P",
        "file for a report with plots that opens without internet",
        {"type": values.any_path, "metavar": "FILE"},
    ),
)

_LOG = (
    Argument("log", ("--verbose",), "SFPVWNU", "say more about what is done", FLAG, False),
    Argument(
        "log",
        ("--logging-level",),
        "SFVWNU",
        "lowest level of the log lines on stderr; default: warning",
        {"choices": LOGGING_LEVELS, "metavar": "LEVEL"},
        default="warning",
    ),
    Argument(
        "log",
        ("--show-stacktrace",),
        "SFPVWN",
        "show where an error comes from",
        FLAG,
        False,
        env=("SHOW_STACKTRACE",),
    ),
    Argument("log", ("--show-perf",), "SW", "report times", FLAG, False),
)

ARGUMENTS = (*_MODEL, *_DATA, *_SERVER, *_FIT, *_TEST, *_LOG, *PLATFORM_ARGUMENTS)


def arguments_of(command: str) -> tuple[Argument, ...]:
    """The options of one subcommand, in the order of its help."""
    return tuple(argument for argument in ARGUMENTS if argument.accepted_by(command))
