"""Answers that tell of errors, and what the log gets of their causes."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Iterable
from typing import Any

from datarobot_drum.drum.errors import (
    INTERNAL_ERROR,
    DeadlineExceeded,
    DrumError,
    HookError,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    user_error_status,
)
from datarobot_drum.drum.exceptions import BaseCustomUserError
from datarobot_drum.drum.observability import spans
from datarobot_drum.drum.observability.context import is_abandoned, request_id
from datarobot_drum.drum.observability.masking import masked
from datarobot_drum.drum.observability.record import note_error
from datarobot_drum.drum.payloads import status_json
from datarobot_drum.drum.root_predictors.predict_mixin import BrokenJson
from datarobot_drum.drum.root_predictors.replies import Reply

logger = logging.getLogger("drum.server")

USER_ERROR_HEADER = ("X-Drum-User-Http-Error", "true")


class ErrorRepliesMixin:
    """What a server answers when something went wrong."""

    def error_reply(self, error: DrumError) -> Reply:
        """The answer that tells of `error`; the log gets the traceback of its cause, once."""
        logger.log(_log_level(error), "%s: %s", type(error).__name__, error, exc_info=_cause(error))
        text = masked(str(error))
        note_error(text)
        if isinstance(error, BrokenJson):
            body: dict[str, Any] = {"error": text}
        else:
            body = {"message": f"{error.prefix}{text}", **error.fields}
        retry = error.retry_after
        headers = () if retry is None else (("Retry-After", str(retry)),)
        return Reply(error.status, status_json(body), headers=headers)

    def user_error(self, error: BaseCustomUserError) -> Reply:
        """The answer that a hook chose by raising `error`."""
        logger.info("user's HTTP error: %s", error)
        # a subclass may not have called our __init__
        text = str(getattr(error, "message", error))
        note_error(masked(text))
        body = status_json({"message": text})
        return Reply(user_error_status(error), body, headers=(USER_ERROR_HEADER,))

    def internal_error(self) -> Reply:
        """The answer to a bug, of this program or of an extension; called in an except block."""
        # the text may hold anything, so the client gets only the id
        logger.exception("internal error")
        note_error("internal error; the log tells more")
        return Reply(
            INTERNAL_ERROR,
            status_json({"message": f"ERROR: internal error; request id {request_id.get()}"}),
        )

    def broken_off(self, error: BaseException) -> Reply:
        """The answer when a hook raised what is no Exception."""
        if isinstance(error, CancelledError) and is_abandoned.get()():
            logger.info("a hook was cancelled: nobody waits for its answer any more")
            return Reply(DeadlineExceeded.status)
        spans.failed(error)
        return self.error_reply(_hook_error(error))

    def unmatched(self, status: int, allowed: Iterable[str] = ()) -> Reply:
        """The answer to a path that is not there (404), or not for this method (405)."""
        if status == MethodNotAllowed.status:
            methods = ", ".join(sorted(allowed))
            reply = self.error_reply(MethodNotAllowed(f"method not allowed; use one of {methods}"))
            return Reply(reply.status, reply.body, headers=(("Allow", methods),))
        return self.error_reply(NotFound("no such path; see the documentation for the routes"))


def _log_level(error: DrumError) -> int:
    if error.status == INTERNAL_ERROR:
        return logging.ERROR
    return logging.WARNING if isinstance(error, (Overloaded, DeadlineExceeded)) else logging.INFO


def _cause(error: DrumError) -> BaseException | None:
    return error.__cause__ if error.status >= INTERNAL_ERROR else None


def raised_by(error: DrumError) -> BaseException | None:
    """What a span tells as its exception; an error that is only an answer is none."""
    return _cause(error) or (error if error.status == INTERNAL_ERROR else None)


def _hook_error(error: BaseException) -> HookError:
    """What a hook raised that is no Exception, with the hook's name where that is known."""
    failure = " ".join(getattr(error, "__notes__", ["The model failed."]))
    found = HookError(f"{failure} Exception: {error!r}")
    found.__cause__ = error
    return found
