"""Scoring a file of any form by the `score_unstructured` hook."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import parse_qsl

from datarobot_drum.drum.cli.arguments import DEFAULT_CONTENT_TYPE
from datarobot_drum.drum.cli.output import output_file
from datarobot_drum.drum.platform_services.reporting import NO_KEYWORDS

if TYPE_CHECKING:
    from datarobot_drum.drum.predictors import Model

NOTHING_RETURNED = "Return value from prediction is: None (NULL in R)"


def score_unstructured(
    model: Model,
    args: Namespace,
    stdout: BinaryIO | None,
    hook_keywords: Mapping[str, Any] = NO_KEYWORDS,
) -> None:
    """Hand the whole input to the hook and write what it returns, text in its own charset.

    The result goes to `stdout`, or to the file of `--output` when that is None.
    """
    media_type, charset = read_content_type(args.content_type)
    data = Path(args.input).read_bytes()
    reply = model.predict_unstructured(
        data, media_type, charset, read_query(args.query), None, **hook_keywords
    )
    body = NOTHING_RETURNED.encode() if reply.body is None else reply.encoded()
    if stdout is None:
        with output_file(args.output) as file:
            file.write(body)
        return
    stdout.write(body if isinstance(reply.body, bytes) else body + b"\n")


def read_content_type(text: str | None) -> tuple[str, str | None]:
    """Media type, as it was written, and charset parameter; None is plain text."""
    text = text or DEFAULT_CONTENT_TYPE
    message = Message()
    message["Content-Type"] = text
    charset = message.get_param("charset")
    return text.partition(";")[0].strip(), charset if isinstance(charset, str) else None


def read_query(text: str | None) -> dict[str, str]:
    """A query string as the hook gets it: the last value of a name that is given twice."""
    return dict(parse_qsl(text or "", keep_blank_values=True))
