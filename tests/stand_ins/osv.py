"""An advisory service that speaks the query API of OSV (https://google.github.io/osv.dev/api/)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from packaging.version import Version
from tests.stand_ins.http_service import listening


@contextmanager
def advisory_service(holes: Mapping[str, str], status: int = 200) -> Iterator[str]:
    """The address of a service that knows a hole in each of these packages, closed in a version.

    Another `status` than 200 is answered to everything.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = query["package"]["name"]
            fixed_in = Version(holes.get(name, "0"))
            has_hole = Version(query["version"]) < fixed_in
            found = {"vulns": [_advisory(name, str(fixed_in))]} if has_hole else {}
            body = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Not on the terminal of the tests."""

    with listening(Handler) as address:
        yield f"{address}/v1/query"


def _advisory(package: str, fixed_in: str) -> dict[str, object]:
    events = [{"introduced": "0"}, {"fixed": fixed_in}]
    return {
        "id": f"TEST-{package}",
        "summary": "a hole",
        "published": "2026-01-01T00:00:00Z",
        "affected": [
            {
                "package": {"name": package, "ecosystem": "PyPI"},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
    }
