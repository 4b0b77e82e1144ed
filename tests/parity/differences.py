"""How answers of server types are compared, and the only differences that they may have.

The tables here are the declared list: docs/PARITY.md is made from them. What is in none of them
must be equal, byte for byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from deepdiff import DeepDiff
from prometheus_client.parser import text_string_to_metric_families
from tests.parity.wire import Received, Sent


@dataclass(frozen=True)
class Allowed:
    """Something that may differ: where, how it is compared instead, and why."""

    where: str
    instead: str
    why: str


@dataclass(frozen=True)
class NewEachTime:
    """A pattern of bytes that is new in each answer, so that only its place is compared."""

    pattern: re.Pattern[bytes]
    allowed: Allowed


@dataclass(frozen=True)
class Figures:
    """Answers of one path that hold measurements: `facts` makes of a body what must be equal."""

    path: re.Pattern[bytes]
    facts: Callable[[bytes], Any]
    allowed: Allowed


#: Headers that are left out of the comparison.
HEADERS = {
    "date": Allowed("header `Date`", "not at all", "the second in which the server answered"),
    "server": Allowed(
        "header `Server`", "not at all", "names the program, without its version (or is absent)"
    ),
    "connection": Allowed(
        "header `Connection`",
        "not at all; the next request must be served all the same",
        "the development server closes every connection, the others keep theirs; each server "
        "decides by itself when it is better to close one, as after a body that was not read",
    ),
    "keep-alive": Allowed("header `Keep-Alive`", "not at all", "goes with `Connection`"),
    "transfer-encoding": Allowed(
        "header `Transfer-Encoding`",
        "not at all; the bodies must be equal",
        "how a stream is framed is the server's choice: chunks, or the end of the connection",
    ),
}

NEW = (
    NewEachTime(
        re.compile(rb"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"),
        Allowed(
            "request ids (`X-Request-ID`, `X_Request_ID`, text of internal errors)",
            "both headers must be one id; one that the client sent must be equal",
            "a new UUID where the client sends none",
        ),
    ),
    NewEachTime(
        re.compile(rb"\b[0-9a-f]{32}\b"),
        Allowed(
            "boundary of multipart answers",
            "as a placeholder in header and body",
            "a new one for each answer, so that no data can hold it",
        ),
    ),
    NewEachTime(
        re.compile(rb"\b0x[0-9a-f]{6,}\b"),
        Allowed(
            "addresses of objects in texts of hooks",
            "as a placeholder",
            "a model that tells `repr(object())` tells where that lies in memory",
        ),
    ),
)


def shape_of(value: Any) -> Any:
    """A JSON value with the kinds of its values in place of them; numbers are of one kind."""
    if isinstance(value, dict):
        return {key: shape_of(item) for key, item in value.items()}
    if isinstance(value, list):
        # lists are as long as there is something to tell
        return sorted({json.dumps(shape_of(item), sort_keys=True) for item in value})
    # a figure that cannot be told is null
    return "figure" if value is None or type(value) in (int, float) else type(value).__name__


def shape_of_json(body: bytes) -> Any:
    """Keys and kinds of a JSON body."""
    return shape_of(json.loads(body)) if body else None


def without_server(body: bytes) -> Any:
    """The description of the model, whichever server gives it."""
    if not body:
        return None
    facts = json.loads(body)
    assert facts.pop("drumServer") in ("flask", "gunicorn", "fastapi")
    return facts


def metric_families(body: bytes) -> list[Any]:
    """Name, kind, help text and labels of each of our metrics that a page for Prometheus tells."""
    families = text_string_to_metric_families(body.decode())
    return [
        [family.name, family.type, family.documentation, _labels(family)]
        for family in families
        if family.samples and family.name.startswith("drum_")
    ]


def _labels(family: Any) -> list[str]:
    return sorted({label for sample in family.samples for label in sample.labels})


FIGURES = (
    Figures(
        re.compile(rb"/stats/?\Z"),
        shape_of_json,
        Allowed(
            "`/stats/`", "keys and kinds of values", "measures the process that answers, and time"
        ),
    ),
    Figures(
        re.compile(rb"/ui/facts/?\Z"),
        shape_of_json,
        Allowed("`/ui/facts`", "keys and kinds of values", "as `/stats/`"),
    ),
    Figures(
        re.compile(rb"/info/?\Z"),
        without_server,
        Allowed("`/info/`", "all but `drumServer`", "tells which server type answers"),
    ),
    Figures(
        re.compile(rb"/metrics/?\Z"),
        metric_families,
        Allowed(
            "`/metrics`",
            "names, kinds, help texts and labels of the metrics `drum_...` that have samples",
            "samples are measurements, and have the server type as a label; a server without "
            "workers (`flask`) also tells what its Prometheus client knows of one process",
        ),
    ),
)

#: Requests that are not sent to the development server.
UNGUARDED = Allowed(
    "requests that break the rules of HTTP/1.1, on `flask`",
    "between the production servers only",
    "the development server has Werkzeug's own parser and no guard in front of it "
    "([security audit](SECURITY_AUDIT.md)); it must not be reachable from outside",
)


def declared() -> list[Allowed]:
    """All differences that are allowed."""
    return [
        *HEADERS.values(),
        *(new.allowed for new in NEW),
        *(figures.allowed for figures in FIGURES),
        UNGUARDED,
    ]


def facts_of(sent: Sent, answer: Received) -> dict[str, Any]:
    """What must be equal on every server type."""
    figures = _figures(sent, answer)
    headers = [(name.lower(), _same(value)) for name, value in answer.headers]
    kept = [pair for pair in headers if pair[0] not in HEADERS]
    body: Any = same_bytes(answer.body)
    if figures is not None:
        # figures have as many digits as they have
        kept = [pair for pair in kept if pair[0] != "content-length"]
        body = figures.facts(answer.body)
    # headers of different names have no order (RFC 9110, 5.3); sorting keeps that of equal names
    kept.sort(key=lambda pair: pair[0])
    return {"status": answer.status, "lost": answer.lost, "headers": kept, "body": body}


def _figures(sent: Sent, answer: Received) -> Figures | None:
    if answer.status != 200 or sent.method not in (b"GET", b"HEAD"):
        return None
    path = unquote_to_bytes(sent.target.partition(b"?")[0])
    return next((figures for figures in FIGURES if figures.path.search(path)), None)


def _same(value: str) -> str:
    return same_bytes(value.encode("latin-1")).decode("latin-1")


def same_bytes(data: bytes) -> bytes:
    """The bytes without what is new in each answer."""
    for new in NEW:
        data = new.pattern.sub(b"NEW", data)
    return data


def differences(facts: Mapping[str, Any]) -> list[str]:
    """In what the facts of servers, by their names, differ from those of the first one."""
    (first, expected), *others = facts.items()
    return [
        f"{first} -> {name}: {DeepDiff(expected, other).pretty()}"
        for name, other in others
        if other != expected
    ]


def faults(sent: Sent, answers: Mapping[str, Received]) -> list[str]:
    """What is wrong with the answers of the servers to one request, by their names."""
    found = [
        f"{name}: {fault}" for name, each in answers.items() for fault in _own_faults(sent, each)
    ]
    return found + differences({name: facts_of(sent, each) for name, each in answers.items()})


def _own_faults(sent: Sent, answer: Received) -> list[str]:
    """What no server may do, though all do it."""
    found = [f"no answer, {answer.lost}"] if answer.lost else []
    if answer.header("x-request-id") != answer.header("x_request_id"):
        found.append("the two request ids differ")
    if answer.status >= 500 and reason_of(sent, answer) is None:
        found.append(f"undeclared {answer.status}: {answer.body[:300]!r}")
    return found


@dataclass(frozen=True)
class Declared:
    """An error of a server that is right: status, beginning of its message, path, and why."""

    status: int
    why: str
    message: str = ""
    path: str = ""

    def covers(self, sent: Sent, answer: Received) -> bool:
        """Is it this one? Answers to HEAD have no message."""
        text = answer.body.partition(b"ERROR: ")[2].decode("utf-8", "replace")
        is_said = sent.method == b"HEAD" or re.match(self.message, text)
        return bool(
            answer.status == self.status
            and is_said
            and re.search(self.path, sent.target.decode("latin-1"))
        )


#: All others are bugs, "internal error" above all.
ERRORS = (
    Declared(
        500,
        "a hook raised, or answered in a form that its target type forbids; the message tells",
        "(?!internal error).",
    ),
    Declared(501, "RFC 9110, 15.6.2: the server does not offer it", "methods |the only coding "),
    Declared(
        503,
        "these probes say that the model could not be loaded (error server)",
        path="/(readyz|startupz)/?$",
    ),
    Declared(505, "RFC 9110, 15.6.6: another version of HTTP", "this server speaks "),
    Declared(513, "the model could not be loaded, and the error server tells why"),
)
#: The status is the hook's own choice.
CHOSEN = "a hook raised `CustomHTTPError` (header `X-Drum-User-Http-Error`)"


def reason_of(sent: Sent, answer: Received) -> str | None:
    """Why an error of a server is right; None if it is not declared."""
    if answer.header("x-drum-user-http-error") == "true":
        return CHOSEN
    return next((error.why for error in ERRORS if error.covers(sent, answer)), None)
