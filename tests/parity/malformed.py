"""Bytes that break the rules of HTTP/1.1, and what the production servers answer to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st
from tests.operations.http_requests import CASES
from tests.operations.raw_http import exchange
from tests.parity.differences import HEADERS, same_bytes
from tests.parity.served import Fleet

from datarobot_drum.drum.errors import RefusedRequest
from datarobot_drum.drum.root_predictors.framing import Framing

REQUESTS = [case.request for case in CASES if len(case.request) < 2000 and not case.half_closes]
#: Bytes that decide where something begins or ends.
CUTS = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b",", b";", b"0", b"\x00", b"\xff", b"\x85", b"#"]
)
#: The client's last request: the server closes the connection after its answer.
LAST = b"GET /livez HTTP/1.1\r\nHost: drum.example\r\nConnection: close\r\n\r\n"
STATUS_LINE = re.compile(rb"http/1\.1 ([2-9][0-9]{2}) ")
LEFT_OUT = re.compile(rb"(?:%b):|http/1\.1 1" % b"|".join(name.encode() for name in HEADERS))


@dataclass(frozen=True)
class Bytes:
    """What is sent on a connection of its own."""

    data: bytes


@st.composite
def malformed(draw: st.DrawFn) -> Bytes:
    """A request of the conformance set with bytes put in, taken out or replaced."""
    data = draw(st.sampled_from(REQUESTS))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        put = draw(st.one_of(CUTS, st.binary(max_size=2)))
        data = data[:at] + put + data[at + draw(st.integers(0, 2)) :]
    # servers wait for the rest of what is cut off, which is for the tests of slow clients
    assume(_is_answered(data + LAST))
    return Bytes(data)


def _is_answered(data: bytes) -> bool:
    framing = Framing()
    framing.add(data)
    try:
        while framing.take():
            if framing.head is not None and framing.head.closes and not framing.in_body:
                return True
    except RefusedRequest:
        return True
    return not (framing.in_body or framing.in_head)


def answers_to(fleet: Fleet, sent: Bytes) -> dict[str, bytes]:
    """All that each production server sends until it closes the connection."""
    ports = {name: line.port for name, line in fleet.lines.items() if name != "flask"}
    return {name: exchange(port, sent.data + LAST) for name, port in ports.items()}


def statuses(answer: bytes) -> list[int]:
    """The statuses of the answers, one after another."""
    return [int(status) for status in STATUS_LINE.findall(answer.lower())]


def facts_of_bytes(answer: bytes) -> dict[str, Any]:
    """What must be equal: the statuses in order, all bodies, all headers that may not differ."""
    lines = same_bytes(answer).lower().split(b"\r\n")
    kept = sorted(line for line in lines if line and not LEFT_OUT.match(line))
    return {"statuses": statuses(answer), "lines": kept}
