"""Sends requests to all servers, compares what comes back and counts it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.parity.differences import differences, faults, reason_of
from tests.parity.malformed import Bytes, answers_to, facts_of_bytes, statuses
from tests.parity.served import Fleet
from tests.parity.wire import Sent

#: Set by scripts/parity, for the long form.
REQUESTS, SEED = "PARITY_REQUESTS", "PARITY_SEED"
IS_LONG = bool(os.environ.get(REQUESTS))
MALFORMED = "malformed requests"
NEXT_KIND = "what follows an error"
#: What follows an error on the same connection.
NEXT = Sent(b"GET", b"/livez")


ROOT = Path(__file__).resolve().parents[2]


def tested_commit() -> str:
    """The commit that was tested; `+` when files differ from it, this page aside."""
    git = shutil.which("git")
    if git is None:
        return "unknown"

    def ask(*words: str) -> str:
        done = subprocess.run([git, *words], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = ask("status", "--porcelain", "--", ".", ":!docs")
    return (ask("rev-parse", "--short=10", "HEAD") or "unknown") + ("+" if changed else "")


@dataclass
class Tally:
    """What was asked and answered; `wanted` is the number of generated requests, 0: short form."""

    wanted: int = 0
    seed: int = 0
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    errors: Counter[tuple[int, str]] = field(default_factory=Counter)
    differences: int = 0
    commit: str = field(default_factory=tested_commit)
    begun: float = field(default_factory=time.monotonic)

    @classmethod
    def from_environment(cls) -> Tally:
        """As the command line asks for it."""
        return cls(int(os.environ.get(REQUESTS, "0")), int(os.environ.get(SEED, "0")))

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self.begun

    @property
    def is_long(self) -> bool:
        """Is it the long form?"""
        return self.wanted > 0

    def compare(self, fleet: Fleet, sent: Sent, kind: str, fails_when: bytes = b"") -> list[str]:
        """What is wrong with the answers to a request, and to one that follows an error.

        The model fails only where `fails_when` was sent.
        """
        found = self._ask(fleet, sent, kind)
        # in UTF-16 there are zeros in between
        if self._hook_failed and fails_when not in (sent.target + sent.body).replace(b"\0", b""):
            found.append("the model failed, which nobody has asked for")
        if found or self._last_failed:
            prefix = b"/pre/fix" if sent.target.startswith(b"/pre/fix") else b""
            following = Sent(NEXT.method, prefix + NEXT.target)
            found += [f"afterwards: {fault}" for fault in self._ask(fleet, following, NEXT_KIND)]
        return found

    _last_failed = _hook_failed = False

    def _ask(self, fleet: Fleet, sent: Sent, kind: str) -> list[str]:
        answers = fleet.ask(sent)
        for name, answer in answers.items():
            self.requests[kind, name] += 1
            self.statuses[name, answer.status] += 1
            if answer.status >= 500:
                self.errors[answer.status, reason_of(sent, answer) or "undeclared"] += 1
        self._last_failed = any(not 200 <= each.status < 300 for each in answers.values())
        self._hook_failed = any(each.status == 500 for each in answers.values())
        found = faults(sent, answers)
        self.differences += bool(found)
        return found

    def compare_bytes(self, fleet: Fleet, sent: Bytes) -> list[str]:
        """What is wrong with the answers of the production servers to malformed bytes."""
        answers = answers_to(fleet, sent)
        for name, answer in answers.items():
            self.requests[MALFORMED, name] += 1
            self.statuses.update((name, status) for status in statuses(answer))
        found = differences({name: facts_of_bytes(each) for name, each in answers.items()})
        found += [
            f"{name}: undeclared error in {answer!r}"
            for name, answer in answers.items()
            if any(status >= 500 and status not in (501, 505) for status in statuses(answer))
        ]
        self.differences += bool(found)
        return found

    def count(self, kind: str, front: str = "fastapi") -> int:
        """Requests of a kind that one server type has answered."""
        return self.requests[kind, front]

    def show(self, text: str) -> None:
        """Tell a person who waits how far it is; nothing where output goes to a file."""
        if self.is_long and sys.__stderr__ is not None and sys.__stderr__.isatty():
            line = f"{text[:60]:<60} {self.seconds:4.0f} s, {self.differences} differ"
            sys.__stderr__.write(f"\r{line}")
            sys.__stderr__.flush()
