"""Write docs/reference from the tables in the code, or with --check tell which page is stale.

The same for tables between two comments in pages that are otherwise written by hand.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from datarobot_drum.drum import errors
from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.hooks.spec import ALL_TARGETS, HOOKS, Hook
from datarobot_drum.drum.model_folder.parameters import ALLOW_EMPTY_VARIABLE
from datarobot_drum.drum.observability import gen_ai, spans
from datarobot_drum.drum.observability.metric_table import (
    DURATION,
    METRICS,
    OTHER_BUCKETS,
    PREDICTION_BUCKETS,
    SERVER_TYPE,
)
from datarobot_drum.drum.predictors.registry import predictor_classes
from datarobot_drum.drum.root_predictors.routes import ROUTES
from datarobot_drum.drum.settings import SettingRow, inference_setting_rows, setting_rows

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
NOTE = "<!-- Written by scripts/docs from the code; changes made here are lost. -->"


def page(title: str, intro: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """One Markdown page with one table."""
    return "\n".join([f"# {title}", "", NOTE, "", intro, "", *table(header, rows), ""])


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    return [_row(header), _row(["---"] * len(header)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def code(words: Iterable[object]) -> str:
    """Words as inline code, with commas between them."""
    return ", ".join(f"`{word}`" for word in words)


def settings_page() -> str:
    """Every setting, with its sources, range and default."""
    intro = (
        "Names are looked for from left to right, each first as the runtime parameter\n"
        "`MLOPS_RUNTIME_PARAM_<name>`, then as the environment variable `<name>`; the first\n"
        "value counts. An option of the command line (`--...`) comes before them all; only\n"
        "`CUSTOM_MODEL_WORKERS` comes before `--max-workers`.\n\n"
        f"Also read, as an environment variable only: `{ALLOW_EMPTY_VARIABLE}`; with `true`,\n"
        "runtime parameters with `allowEmpty: false` may stay without a value."
    )
    header = ("Parameter", "Other names", "Type", "Range", "Default", "What it does")
    servers = [
        "## Inference servers",
        "",
        "Read where `--gpu-predictor` is given; see [Inference servers](../INFERENCE_SERVERS.md).",
        "",
        *table(header, map(_setting, inference_setting_rows())),
        "",
    ]
    return page("Settings", intro, header, map(_setting, setting_rows())) + "\n".join(
        ["", *servers]
    )


def _setting(row: SettingRow) -> tuple[str, ...]:
    default = code(row.default.split())
    return (code([row.parameter]), code(row.aliases), row.type, row.range, default, row.doc)


def routes_page() -> str:
    """Every route of the HTTP API."""
    intro = "The same on every server type; each path is answered with and without its last slash."
    rows = [(code(r.methods), code(r.paths), code([r.operation]), r.doc) for r in ROUTES]
    return page("Routes", intro, ("Methods", "Paths", "Operation", "What it does"), rows)


def spans_page() -> str:
    """Every span that a request can make."""
    intro = (
        "What [tracing](../LOGGING_AND_TRACING.md) sends, the same on every server type.\n"
        f"They are of the kind `INTERNAL` and the scope `{spans.SCOPE}`. With\n"
        "`DRUM_OTEL_SERVER_SPANS` each request but probes also has a span of the kind `SERVER`,\n"
        "named by method and route, which is the parent of the others.\n"
        "The parent is the client's span (W3C `traceparent`), or none, unless one is named here.\n"
        "An attribute is absent where the request or the answer has nothing to tell; `<i>` counts\n"
        "messages from 0."
    )
    rows = [(code([r.span]), "", code(r.paths), _attributes(r.span)) for r in ROUTES if r.span]
    stream = (code([spans.CHAT_STREAM]), code([spans.CHAT]), "streamed chats", _chat(ANSWER))
    header = ("Span", "Parent", "Paths", "Attributes")
    return page("Spans", intro, header, [*rows, stream])


ANSWER = gen_ai.response_attributes({"model": "m", "choices": [{"message": {"content": "c"}}]})
QUESTION = gen_ai.request_attributes({"model": "m", "messages": [{"content": "c"}]})


def _attributes(span: str) -> str:
    if span == spans.CHAT:
        return f"{_chat(QUESTION)}; when it is not streamed also {_chat(ANSWER)}"
    headers = spans.CONSUMER_HEADERS.items()
    return ", ".join(f"`{name}` (header `{header}`)" for header, name in headers)


def _chat(attributes: Iterable[str]) -> str:
    return code(name.replace(".0.", ".<i>.") for name in attributes)


def hooks_page() -> str:
    """Every function that `custom.py` may define."""
    intro = (
        "Functions that `custom.py` may define. Arguments are passed by position, whatever their\n"
        "names; those after `*` by keyword, if the function accepts them."
    )
    rows = [(f"`{_signature(hook)}`", _targets(hook), hook.doc) for hook in HOOKS]
    return page("Hooks", intro, ("Hook", "Target types", "What it does"), rows)


def _signature(hook: Hook) -> str:
    needed = len(hook.positional) - hook.optional
    arguments = [
        name if place < needed else f"[{name}]" for place, name in enumerate(hook.positional)
    ]
    return f"{hook.name}({', '.join([*arguments, *(['*', *hook.extras] if hook.extras else [])])})"


def _targets(hook: Hook) -> str:
    if hook.targets == ALL_TARGETS:
        return "all"
    missing = ALL_TARGETS - hook.targets
    if len(missing) < len(hook.targets):
        return f"all but {_names(missing)}"
    return _names(hook.targets)


def _names(targets: Iterable[TargetType]) -> str:
    return code(sorted(target.value for target in targets))


def errors_page() -> str:
    """Every error, with the status of an answer and the exit code of a command."""
    intro = (
        'The answer to an error is `{"message": "ERROR: ..."}` on every route. Exceptions:\n'
        '`{"error": ...}` for a chat body that is no JSON; `{"message": ...}` without the prefix\n'
        "for errors that a hook raises for its client (`CustomHTTPError`), for direct access that\n"
        "the model does not offer and for an inference server that has crashed; an event with the\n"
        "error object of OpenAI in a stream that has begun.\n\n"
        "A command prints one line and ends with the exit code."
    )
    rows = [
        (
            code([e.__name__]),
            str(e.status),
            _retry_after(e),
            str(e.exit_code),
            inspect.getdoc(e) or "",
        )
        for e in error_classes()
    ]
    header = ("Error", "HTTP status", "`Retry-After`", "Exit code", "When")
    return page("Errors", intro, header, rows)


def _summary(cls: type) -> str:
    return (inspect.getdoc(cls) or "").partition("\n\n")[0]


def error_classes() -> list[type[errors.DrumError]]:
    """The tree of errors in the order of its module."""
    classes = [value for value in vars(errors).values() if inspect.isclass(value)]
    return [cls for cls in classes if issubclass(cls, errors.DrumError)]


def _retry_after(cls: type[errors.DrumError]) -> str:
    return "" if cls.retry_after is None else f"{cls.retry_after} s"


def artifacts_page() -> str:
    """Every built-in predictor of artifacts, in the order in which they are asked."""
    intro = (
        "Files at the top of a model folder that need no code. A file whose ending data files\n"
        "have as well counts if it begins as a model does. Objects that a `load_model` hook\n"
        "returns go to the first framework that takes them, from top to bottom. More in\n"
        "[ARTIFACTS.md](../ARTIFACTS.md)."
    )
    built_in = [cls for cls in predictor_classes() if cls.__module__.startswith("datarobot_drum.")]
    rows = [
        (
            code([cls.name]),
            code(cls.suffixes),
            code(cls.shared_suffixes),
            code([f"opendrum[{cls.extra}]"] if cls.extra else []) or "always there",
            _summary(cls),
            inspect.getdoc(cls.predict) or "",
        )
        for cls in built_in
    ]
    header = ("`predictor`", "Files", "If they begin so", "Install", "Model objects", "Predictions")
    return page("Artifacts", intro, header, rows)


def conformance_table() -> list[str]:
    """Every HTTP/1.1 request of the conformance set, with its rule and its right answer."""
    # the requests are data of tests, which no package holds
    sys.path.insert(0, str(ROOT))
    from tests.operations.http_requests import CASES

    rows = [
        (case.name, "RFC " + case.section.replace(" ", ", "), f"{case.status}{case.ending}")
        for case in CASES
    ]
    return table(("Request", "Rule", "Answer"), rows)


def holes_table() -> list[str]:
    """Every known hole of a library, with the version that closes it."""
    sys.path.insert(0, str(ROOT))
    from scripts.known_holes import HOLES

    rows = [(f"`{hole.package}`", hole.advisory, hole.what, hole.fixed_in) for hole in HOLES]
    return table(("Package", "Advisory", "What", "Closed in"), rows)


OVER_WORKERS = {"": "summed, ended ones too", "livesum": "summed", "livemax": "greatest"}


def parity_tables() -> list[str]:
    """What answers of server types may differ in."""
    sys.path.insert(0, str(ROOT))
    from tests.parity.evidence import allowed_tables

    return allowed_tables()


def metrics_page() -> str:
    """Every metric of `/metrics`."""
    intro = (
        f"Figures that `/metrics` tells Prometheus. Each has the label `{SERVER_TYPE}` besides\n"
        "those named here. Gauges are at most a second old, memory at most ten.\n\n"
        f"Buckets of `{DURATION}` in seconds: on routes that run the model\n"
        f"{_bounds(PREDICTION_BUCKETS)};\n"
        f"on all others {_bounds(OTHER_BUCKETS)}."
    )
    rows = [
        (code([m.name]), m.kind, code(m.labels), OVER_WORKERS[m.over_workers], m.doc)
        for m in METRICS
    ]
    return page("Metrics", intro, ("Metric", "Kind", "Labels", "Workers", "What it tells"), rows)


def _bounds(bounds: Iterable[float]) -> str:
    return ", ".join(f"{bound:g}" for bound in bounds)


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "routes.md": routes_page,
    "spans.md": spans_page,
    "hooks.md": hooks_page,
    "errors.md": errors_page,
    "artifacts.md": artifacts_page,
    "metrics.md": metrics_page,
}


#: Tables within pages of docs/, by page and the word in the comments around them.
TABLES: dict[tuple[str, str], Callable[[], list[str]]] = {
    ("SECURITY_AUDIT.md", "http-conformance"): conformance_table,
    ("PARITY.md", "parity-differences"): parity_tables,
    ("SECURITY_AUDIT.md", "known-holes"): holes_table,
}


def stale_pages(folder: Path) -> list[str]:
    """Names of the pages that differ from what the code says."""
    stale = [name for name, make in PAGES.items() if _read(folder / name) != make()]
    return [*stale, *(f"../{name}" for name, text in _filled() if _read_hand(name) != text)]


def _filled() -> list[tuple[str, str]]:
    """Pages written by hand, with their tables as the code has them."""
    return [(name, fill(_read_hand(name), word, make())) for (name, word), make in TABLES.items()]


def fill(text: str, word: str, lines: Sequence[str]) -> str:
    """`text` with these lines between its two comments with that word."""
    begin, end = f"<!-- {word}: written by scripts/docs -->", f"<!-- end of {word} -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return "\n".join([before + begin, "", *lines, "", end + after])


def _read_hand(name: str) -> str:
    return (FOLDER.parent / name).read_text(encoding="utf-8")


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def write_pages(folder: Path) -> None:
    """Write all pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (folder / name).write_text(make(), encoding="utf-8")
    for name, text in _filled():
        (FOLDER.parent / name).write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Write the pages, or check them; the exit code is 1 when one is stale."""
    if arguments not in ([], ["--check"]):
        print("usage: scripts/docs [--check]", file=sys.stderr)
        return 2
    if not arguments:
        write_pages(FOLDER)
        return 0
    stale = stale_pages(FOLDER)
    for name in stale:
        print(f"docs/reference/{name} is stale; run scripts/docs", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
