"""OpenAI chat answers, judged by their shape: no OpenAI package is needed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from datarobot_drum.drum.errors import DrumError, HookError, InvalidOutput
from datarobot_drum.drum.exceptions import BaseCustomUserError

ASSOCIATION_ID = "datarobot_association_id"
CHUNK_CLASS = "ChatCompletionChunk"
SHOWN_CHARACTERS = 200


def as_completion(response: Any, association_id: object) -> dict[str, Any] | None:
    """The JSON object of a finished completion; None for anything else."""
    if isinstance(response, dict):
        if response.get("object") != "chat.completion" or not _has_content(response):
            return None
        return {**response, ASSOCIATION_ID: association_id}
    if getattr(response, "object", None) != "chat.completion":
        return None
    return _plain(response, association_id)


def _has_content(response: dict[str, Any]) -> bool:
    try:
        return "content" in response["choices"][0]["message"]
    except (KeyError, IndexError, TypeError):
        return False


def as_chunks(response: Any, association_id: object) -> Iterator[Any]:
    """The chunks of a stream, each with the association id.

    The first is fetched at once, so that a model that fails before it has said anything gets
    an ordinary error answer. Raises InvalidOutput if the response is not a stream of chunks.
    """
    if isinstance(response, (str, bytes, dict)) or not isinstance(response, Iterable):
        raise _unexpected(response)
    try:
        items = iter(response)
        first = next(items)
    except StopIteration:
        return iter(())
    except (BaseCustomUserError, DrumError):
        raise
    except Exception as error:
        raise HookError(str(error) or repr(error)) from error
    if not _is_chunk(first):
        raise _unexpected(response)
    return _tagged(items, first, association_id)


def _tagged(items: Iterator[Any], first: Any, association_id: object) -> Iterator[Any]:
    try:
        for item in itertools.chain([first], items):
            yield _tag(item, association_id)
    finally:
        # a client that leaves ends the model's generator here and now
        close = getattr(items, "close", None)
        if close is not None:
            close()


def _tag(item: Any, association_id: object) -> Any:
    if isinstance(item, dict):
        return {**item, ASSOCIATION_ID: association_id}
    try:
        setattr(item, ASSOCIATION_ID, association_id)
    except (AttributeError, TypeError, ValueError):
        return _plain(item, association_id)
    return item


def _plain(item: Any, association_id: object) -> dict[str, Any]:
    """The item as a dict; the id is also set on it, where its `to_dict` may look."""
    try:
        setattr(item, ASSOCIATION_ID, association_id)
    except (AttributeError, TypeError, ValueError):
        return {**_as_dict(item), ASSOCIATION_ID: association_id}
    return _as_dict(item)


def _as_dict(item: Any) -> dict[str, Any]:
    try:
        return dict(item.to_dict())
    except Exception as error:
        raise InvalidOutput(
            f"cannot read the {type(item).__name__} of the chat hook: {error!r}; "
            "its to_dict() must return a dict"
        ) from error


def _is_chunk(item: Any) -> bool:
    if isinstance(item, dict):
        return item.get("object") == "chat.completion.chunk"
    named = type(item).__name__ == CHUNK_CLASS
    return named or getattr(item, "object", None) == "chat.completion.chunk"


def chunk_text(chunk: Any) -> str:
    """A chunk as JSON text."""
    if isinstance(chunk, dict):
        return json.dumps(chunk)
    return str(chunk.to_json(indent=None))


def _unexpected(response: Any) -> InvalidOutput:
    return InvalidOutput(
        "Expected response to be ChatCompletion or Iterable[ChatCompletionChunk]. "
        f"response type: {type(response)}.response(str): {str(response)[:SHOWN_CHARACTERS]}"
    )
