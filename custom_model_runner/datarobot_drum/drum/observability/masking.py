"""Keeps secret texts out of stdout, stderr and the logs of this process.

What it cannot see: bytes written to `sys.stdout.buffer` or to a file descriptor, output of C code
and of other processes, a secret in another encoding (base64, say), parts of a secret that threads
write in turns, and log handlers that read a record's `exc_info` instead of formatting it.
"""

from __future__ import annotations

import atexit
import json
import logging
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, cast

MASK = "*****"
#: Shorter texts are part of too many words; masking them would hide the output, not a secret.
MIN_LENGTH = 4
#: A line of a secret of many lines (a private key, say) is masked alone from this length on.
MIN_LINE_LENGTH = 16


class Masker:
    """Replaces secret texts, the longest first, so that no end of a longer one is left over."""

    def __init__(self, texts: Iterable[str]) -> None:
        variants = {form for text in texts for form in _forms(text)}
        self._texts = sorted(variants, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._texts)) or "(?!)")
        self._longest = len(self._texts[0]) if self._texts else 0

    def masked(self, text: str) -> str:
        """The text with `*****` for each secret in it."""
        return self._pattern.sub(MASK, text)

    def split(self, text: str) -> tuple[str, str]:
        """The masked part that can be shown now, and the end that may be half a secret."""
        hold = self._start_of_secret(text)
        for match in self._pattern.finditer(text):
            if match.start() < hold < match.end():
                hold = match.end()
        return self.masked(text[:hold]), text[hold:]

    def _start_of_secret(self, text: str) -> int:
        """Where the longest end of the text starts that a secret starts with, too."""
        lowest = max(0, len(text) - self._longest + 1)
        starts = [self._start_of(secret, text, lowest) for secret in self._texts]
        return min(starts, default=len(text))

    @staticmethod
    def _start_of(secret: str, text: str, lowest: int) -> int:
        start = text.find(secret[0], max(lowest, len(text) - len(secret) + 1))
        while start != -1:
            if secret.startswith(text[start:]):
                return start
            start = text.find(secret[0], start + 1)
        return len(text)


def _forms(text: str) -> Iterator[str]:
    """The text as it is, as `repr` and JSON write it, and its long lines."""
    forms = {text, repr(text)[1:-1], json.dumps(text)[1:-1]}
    yield from (form for form in forms if len(form) >= MIN_LENGTH)
    lines = text.splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= MIN_LINE_LENGTH)


class MaskedStream:
    """A text stream that masks what is written to another one.

    The end of a write that a secret might begin with is held back until the next write or until
    `release`, so that a secret written in pieces is found. A flush does not let it out.
    It is no `io.TextIOBase`, which would close the stream behind when it is not used any more.
    """

    def __init__(self, stream: TextIO, masker: Masker) -> None:
        self._stream = stream
        self._masker = masker
        self._held = ""
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Write the text, masked; its length, as streams tell it."""
        with self._lock:
            shown, self._held = self._masker.split(self._held + text)
            if shown:
                self._stream.write(shown)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def release(self) -> None:
        """Write what was held back: no more of it will come."""
        with self._lock:
            held, self._held = self._held, ""
            if held and not self._stream.closed:
                self._stream.write(self._masker.masked(held))
                self._stream.flush()

    def close(self) -> None:
        """Let out the rest and close the stream behind."""
        self.release()
        self._stream.close()

    def __getattr__(self, name: str) -> Any:
        """All else is as with the stream behind."""
        return getattr(self._stream, name)


class _Installed:
    """The streams and the log record factory that were there before."""

    def __init__(self, masker: Masker) -> None:
        self.masker = masker
        self._before = sys.stdout, sys.stderr
        self._factory = logging.getLogRecordFactory()
        self._streams = tuple(MaskedStream(stream, masker) for stream in self._before)

    def install(self) -> None:
        stdout, stderr = self._streams
        sys.stdout, sys.stderr = cast(TextIO, stdout), cast(TextIO, stderr)
        logging.setLogRecordFactory(self._record)
        atexit.register(self.release)

    def release(self) -> None:
        for stream in self._streams:
            stream.release()

    def uninstall(self) -> None:
        self.release()
        atexit.unregister(self.release)
        sys.stdout, sys.stderr = self._before
        logging.setLogRecordFactory(self._factory)

    def _record(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._factory(*args, **kwargs)
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):
            return record  # logging itself reports arguments that do not fit, on masked stderr
        record.msg, record.args = self.masker.masked(text), ()
        if record.exc_info:
            # a formatter takes the text that is there instead of making its own
            shown = logging.Formatter().formatException(record.exc_info)
            record.exc_text = self.masker.masked(shown)
        if record.stack_info:
            record.stack_info = self.masker.masked(record.stack_info)
        return record


_installed: list[_Installed] = []


def mask_output(texts: Iterable[str]) -> None:
    """From now on mask these texts, and no others, wherever this process writes text."""
    stop_masking()
    _installed.append(_Installed(Masker(texts)))
    _installed[-1].install()


def masked(text: str) -> str:
    """The text as `mask_output` lets it be shown, for what leaves by another way."""
    return _installed[-1].masker.masked(text) if _installed else text


def stop_masking() -> None:
    """Write to the streams and the logs that were there before `mask_output`."""
    while _installed:
        _installed.pop().uninstall()
