"""Reads request bodies from a WSGI server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from datarobot_drum.drum.errors import DeadlineExceeded, RefusedRequest
from datarobot_drum.drum.root_predictors.bodies import SpooledUploadFile
from datarobot_drum.drum.root_predictors.deadlines import NOT_RECEIVED, current_deadline
from datarobot_drum.drum.root_predictors.edge import too_slow
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer

logger = logging.getLogger("drum.flask")

READ_BYTES = 64 * 1024


def read_body(environ: dict[str, Any], server: PredictionServer) -> SpooledUploadFile:
    """The request's body, read until its end, a limit or its deadline, whichever comes first."""
    body = SpooledUploadFile(server.max_body, gate=server.gate)
    length = environ.get("CONTENT_LENGTH") or ""
    if length and not (length.isascii() and length.isdigit()):
        body.cut_off()
        return body
    left = int(length) if length else None
    if left is not None and not body.declare(left):
        return body
    if left is None and not environ.get("wsgi.input_terminated"):
        return body
    try:
        is_whole = _fill(body, chunks(environ["wsgi.input"], left))
        if is_whole and left is not None and body.size < left:
            body.cut_off()
    except DeadlineExceeded as error:
        server.gate.exceed()
        body.refuse(error)
    except RefusedRequest:
        body.close()
        raise
    except TimeoutError:
        # of the development server; the others time their clients themselves
        body.refuse(too_slow("the request body"))
    except Exception:
        # each WSGI server has errors of its own for a broken body
        logger.info("cannot read the request body", exc_info=True)
        body.cut_off()
    return body


def _fill(body: SpooledUploadFile, pieces: Iterator[bytes]) -> bool:
    """Feed all pieces; False when the body has had enough."""
    for piece in pieces:
        if not body.feed(piece):
            return False
        if body.wants_spill:
            body.spill()
        _check_deadline()
    return True


def _check_deadline() -> None:
    deadline = current_deadline.get()
    if deadline is not None:
        deadline.check(NOT_RECEIVED)


def chunks(stream: Any, left: int | None) -> Iterator[bytes]:
    """The pieces of a body of which `left` bytes are to come; until its end if that is None."""
    while left != 0:
        chunk = stream.read(READ_BYTES if left is None else min(READ_BYTES, left))
        if not chunk:
            return
        yield chunk
        left = None if left is None else left - len(chunk)
