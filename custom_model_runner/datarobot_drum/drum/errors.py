"""The error tree: what can go wrong, the HTTP status it gets and the exit code of a command."""

from __future__ import annotations

from datarobot_drum.drum.exceptions import (
    BaseCustomUserError,
    DrumCommonException,
    DrumSchemaValidationException,
)

INTERNAL_ERROR = 500


class DrumError(DrumCommonException):
    """Anything this program refuses or reports; its text is shown to users.

    `status` is the HTTP status, `retry_after` (seconds) asks a client to come back,
    `fields` are further keys of the error body, `prefix` is what its message begins with.
    """

    status = INTERNAL_ERROR
    exit_code = 1
    retry_after: int | None = None
    fields: dict[str, object] = {}
    prefix = "ERROR: "


class InvalidInput(DrumError):
    """The request's data is missing, unreadable, of a wrong type, or on the wrong route."""

    status = 422


class SchemaViolation(InvalidInput, DrumSchemaValidationException):
    """Data breaks the rules of `typeSchema` in the metadata file."""

    exit_code = 3
    fields = {"is_schema_validation_error": True}


class MalformedRequest(DrumError):
    """The request itself cannot be understood, such as JSON that is none."""

    status = 400


class RefusedRequest(DrumError):
    """The request breaks a rule of HTTP/1.1 or a limit of the server, or came too slowly.

    Other statuses than 400: 408 too slow, 413, 414, 417, 431, 501, 505.
    """

    status = 400

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class UnsupportedMediaType(DrumError):
    """The content type or content encoding is not one this route reads."""

    status = 415


class NotFound(DrumError):
    """No such route."""

    status = 404


class NotSupported(DrumError):
    """The route exists, this model does not offer it."""

    status = 404


class MethodNotAllowed(DrumError):
    """The path exists, not for this method."""

    status = 405


class PayloadTooLarge(DrumError):
    """More bytes, parts or fields than the limit, counted while reading."""

    status = 413


class RateLimited(DrumError):
    """The client has sent more requests than the rate limit allows."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many requests; try again in {retry_after} s")
        self.retry_after = retry_after


class HookError(DrumError):
    """Model code raised; the text names the hook and the exception, the log has the traceback."""


class InvalidOutput(DrumError):
    """The model answered in a shape that its target type forbids."""


class NotReady(DrumError):
    """The worker is loading its model or draining."""

    status = 503
    retry_after = 5


class Overloaded(DrumError):
    """The queue is full, or the request waited too long in it."""

    status = 503

    def __init__(self, message: str, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeadlineExceeded(DrumError):
    """The request timeout passed."""

    status = 504


class UpstreamError(DrumError):
    """The inference server behind a model cannot be reached, or answered with an error.

    An answer of the inference server keeps its own status.
    """

    status = 502

    def __init__(
        self,
        message: str,
        status: int = 502,
        retry_after: int | None = None,
        fields: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.fields = fields or {}


class UpstreamTimeout(DrumError):
    """The inference server behind a model did not answer in time."""

    status = 504


class StartupError(DrumError):
    """The model could not be loaded; every route but `/livez` says why."""

    status = 513
    exit_code = 1


class LoadHookError(StartupError, HookError):
    """Model code raised while it was imported or loaded the model."""


class UpstreamCrashed(StartupError):
    """The inference server of the model died for good; clients know the text without prefix."""

    prefix = ""


class UsageError(DrumError):
    """An option or setting that makes a start impossible; one line for the operator."""

    exit_code = 2


class OptionConflict(DrumError):
    """Options that exclude each other or miss a companion; told on stdout, as scripts expect."""

    exit_code = 1


def user_error_status(error: BaseCustomUserError) -> int:
    """The HTTP status that a hook's error asks for, or 500 where that is not 400 to 599."""
    try:
        status = int(error.status_code)
    except (TypeError, ValueError, OverflowError):
        return INTERNAL_ERROR
    return status if 400 <= status <= 599 else INTERNAL_ERROR
