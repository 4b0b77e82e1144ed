"""The access log: a line on stdout for each answered request, the same on every server."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from datarobot_drum.drum.observability.json_logs import iso_time, json_line
from datarobot_drum.drum.observability.line_writer import LineWriter
from datarobot_drum.drum.observability.masking import masked
from datarobot_drum.drum.observability.record import CLIENT_LEFT, Record

#: Characters of a target that are shown, and where a line grew too long by its escapes.
SHOWN, SHOWN_AT_LEAST = 2048, 64
#: Lines up to this size are written to a pipe in one piece (POSIX: PIPE_BUF is 4096 on Linux).
LONGEST_LINE = 4096

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LOGGER_NAME = "drum.access"

#: All but printable ASCII; quotes and backslashes, too, because they would end a quoted field.
_UNSAFE = re.compile(r"[^ !#-\[\]-~]")

#: A record, its target, when its answer ended, and how many characters of the target are shown.
Form = Callable[[Record, str, float, int], str]


class AccessLog:
    """A sink of `Recorder`; lines are made and written by the thread of `LineWriter`."""

    def __init__(self, *, as_json: bool, with_query: bool, descriptor: int = 1) -> None:
        self._form: Form = JsonForm() if as_json else CombinedForm()
        self._with_query = with_query
        self._writer: LineWriter[tuple[Record, float]] = LineWriter(self._line, descriptor)

    def __call__(self, record: Record) -> None:
        """Note an answered request; never waits."""
        self._writer.put((record, time.time()))

    def _line(self, item: tuple[Record, float]) -> bytes:
        record, ended = item
        path, _, query = record.target.partition("?")
        # a mark with nothing behind it is not told by every server
        target = record.target if query and self._with_query else path
        line = self._form(record, target, ended, SHOWN)
        if len(line) > LONGEST_LINE:
            line = self._form(record, target, ended, SHOWN_AT_LEAST)
        return line.encode()

    def stop(self) -> None:
        """Write what waits and end the thread, within a bound."""
        self._writer.stop()


class CombinedForm:
    """The combined form as Gunicorn writes it, with nothing added.

    Host, two dashes, time, request line, status, bytes (or a dash), referer, agent. Common parsers
    (those of Fluent Bit and Fluentd, for example) want the line to end there.
    """

    def __init__(self) -> None:
        self._second = -1
        self._time = ""

    def __call__(self, record: Record, target: str, ended: float, shown: int) -> str:
        """The line of a record."""
        agent, referer = _escaped(record.agent, shown // 4), _escaped(record.referer, shown // 4)
        line = f"{record.method[:shown]} {cut(target, shown)} {record.protocol}"
        return masked(
            f"{_escaped(record.client, shown) or '-'} - - {self._time_text(ended)} "
            f'"{_escaped(line, shown * 2)}" {record.status or CLIENT_LEFT} {record.size or "-"} '
            f'"{referer or "-"}" "{agent or "-"}"\n'
        )

    def _time_text(self, ended: float) -> str:
        second = int(ended)
        if second != self._second:
            now = time.localtime(second)
            # the locale, which model code may change, has other names for months
            month = MONTHS[now.tm_mon - 1]
            self._time = time.strftime(f"[%d/{month}/%Y:%H:%M:%S %z]", now)
            self._second = second
        return self._time


class JsonForm:
    """The same facts as one JSON object, and those that the combined form has no place for."""

    def __call__(self, record: Record, target: str, ended: float, shown: int) -> str:
        """The line of a record."""
        target = cut(target, shown)
        fields = {
            "timestamp": iso_time(ended),
            "level": "INFO",
            "logger": LOGGER_NAME,
            "message": f"{record.method[:shown]} {target.partition('?')[0]}",
            "request_id": record.request_id,
            "trace_id": f"{record.trace_id:032x}" if record.trace_id else None,
            "span_id": f"{record.span_id:016x}" if record.span_id else None,
            "exception": None,
            "client": record.client,
            "method": record.method[:shown],
            "target": target,
            "protocol": record.protocol,
            "route": record.route,
            "operation": record.operation,
            "status": record.status or CLIENT_LEFT,
            "bytes": record.size,
            "seconds": round(record.seconds, 6),
            "referer": cut(record.referer, shown // 4),
            "agent": cut(record.agent, shown // 4),
            "failed": record.failed,
        }
        return json_line(fields)


def cut(text: str, length: int) -> str:
    """The text, or its start and a mark."""
    return text if len(text) <= length else f"{text[:length]}..."


def escaped(text: str) -> str:
    """The text without what could end a line or a quoted field: `\\"`, `\\\\`, `\\x0a`."""
    return _UNSAFE.sub(_escape, text)


def _escaped(text: str, length: int) -> str:
    return escaped(cut(text, length))


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in '"\\':
        return f"\\{character}"
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
