"""The few routes of the platform's API that its client needs for models, tasks and training."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

from tests.stand_ins.http_service import listening

TOKEN = "token-1234567890"
WHEN = "2026-11-23T00:00:00.000000Z"
MODEL = {
    "id": "model-1",
    "description": "",
    "createdBy": "me",
    "updated": WHEN,
    "created": WHEN,
    "language": "",
    "trainingDataAssignmentInProgress": False,
    "deploymentsCount": 0,
}
VERSION = {
    "id": "version-1",
    "versionMajor": 1,
    "versionMinor": 0,
    "label": "1.0",
    "created": WHEN,
    "isFrozen": False,
    "items": [],
    "outboundNetworkPolicy": "ISOLATED",
}
BLUEPRINT = {
    "blender": False,
    "blueprintId": "b",
    "customTaskVersionMetadata": [],
    "diagram": "d",
    "features": [],
    "featuresText": "",
    "icons": [],
    "insights": "i",
    "isTimeSeries": False,
    "modelType": "m",
    "referenceModel": False,
    "supportsGpu": False,
    "shapSupport": False,
    "supportedTargetTypes": [],
    "supportsIncrementalLearning": False,
    "userBlueprintId": "ub-1",
    "userId": "u",
}


@dataclass
class Platform:
    """What was asked for; the path that `fails` is answered with an error.

    `settings` are those of every deployment.
    """

    url: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    bodies: dict[str, Any] = field(default_factory=dict)
    fails: str | None = None
    settings: Any = field(default_factory=dict)

    def parts(self, path: str) -> list[tuple[str, str]]:
        """The parts of the form that was sent to `path`: name, or file name, and text."""
        return [
            (str(part.get_filename() or part.get_param("name", header="content-disposition")), text)
            for part, text in self.bodies[path]
        ]


@contextmanager
def platform() -> Iterator[Platform]:
    """A platform that listens until the block ends."""
    found = Platform()

    class Handler(_Handler):
        state = found

    with listening(Handler) as url:
        found.url = url
        yield found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: ClassVar[Platform]

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer the version, or nothing."""
        self._answer(None)

    def do_POST(self) -> None:
        """Keep what is sent and answer as if it were done."""
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("application/json"):
            self._answer(json.loads(data))
            return
        message = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + data)
        self._answer([(part, _text(part)) for part in message.walk() if part is not message])

    def _answer(self, body: Any) -> None:
        path = self.path.partition("?")[0].removeprefix("/api/v2")
        self.state.requests.append((self.command, path))
        self.state.bodies[path] = body
        if self.headers.get("Authorization") != f"Token {TOKEN}":
            self._send(401, {"message": "Invalid Authorization header"})
        elif path == self.state.fails:
            self._send(422, {"message": "the platform is tired"})
        elif path.startswith("/deployments/"):
            self._send(200, self.state.settings)
        else:
            self._send(200 if self.command == "GET" else 201, _reply(path, body))

    def _send(self, status: int, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Location", f"{self.state.url}/api/v2/projects/p-1/modelJobs/7/")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode() if isinstance(payload, bytes) else ""


def _reply(path: str, body: Any) -> Any:
    if path == "/version/":
        return {"major": 2, "minor": 40, "versionString": "2.40.0", "releasedVersion": "2.40.0"}
    if re.fullmatch("/custom(Models|Tasks)/", path):
        return {**MODEL, **body, "id": "model-1"}
    if re.fullmatch("/custom(Models|Tasks)/[^/]+/versions/", path):
        owner = path.split("/")[2]
        return {**VERSION, "customModelId": owner, "customTaskId": owner}
    if path == "/userBlueprints/fromCustomTaskVersionId/":
        return BLUEPRINT
    if path == "/userBlueprintsProjectBlueprints/":
        added = {"blueprintId": "b-1", "userBlueprintId": "ub-1"}
        return {"addedToMenu": [added], "notAddedToMenu": [], "message": "m"}
    return {}
