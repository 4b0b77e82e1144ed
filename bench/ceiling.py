"""The bare ASGI ceiling: the least a Python server can do for the same answer, in one process.

    python bench/ceiling.py --code-dir bench/.assets/models/pipeline --address 127.0.0.1:9000

A hand-written ASGI app on Uvicorn: read the body, parse the CSV with pandas, call the model on the
event loop, write the JSON. No routes, checks, limits, queue, log or deadline, and one slow request
blocks all others: a reference for cost, not a server to use.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import pickle
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import pandas as pd
import uvicorn

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Predict = Callable[[pd.DataFrame], "pd.Series[float]"]


def load_hooks(path: Path) -> Predict:
    """The `score` hook of a `custom.py`, called with what its `load_model` returned."""
    spec = importlib.util.spec_from_file_location("ceiling_custom", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"cannot import {path}; make the assets first")
    custom = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(custom)
    model = custom.load_model(str(path.parent))
    return lambda table: custom.score(table, model)["Predictions"]


def load_artifact(path: Path) -> Predict:
    """The `predict` method of a pickled estimator."""
    estimator = pickle.loads(path.read_bytes())  # noqa: S301 - made by make_assets.py
    return lambda table: pd.Series(estimator.predict(table))


def load_predict(folder: Path) -> Predict:
    """What turns a table into predictions, from a model folder of the benchmark."""
    custom = folder / "custom.py"
    return load_hooks(custom) if custom.is_file() else load_artifact(folder / "model.pkl")


def answer(predict: Predict, body: bytes) -> bytes:
    """The bytes that the servers answer to the same CSV."""
    predictions = predict(pd.read_csv(io.BytesIO(body)))
    column = predictions.to_json(orient="records", double_precision=10)
    return f'{{"predictions":{column}}}'.encode()


async def read_body(receive: Receive) -> bytes:
    """All parts of a request body."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def create_app(predict: Predict) -> App:
    """The ASGI app: a body is answered with predictions, an empty body with `{}`."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        content = answer(predict, body) if body else b"{}"
        size = str(len(content)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", size)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return app


def main() -> None:
    """Command line: serve one model folder on a loopback port."""
    parser = argparse.ArgumentParser(description="the bare ASGI ceiling")
    parser.add_argument("--code-dir", type=Path, required=True)
    parser.add_argument("--address", default="127.0.0.1:9000", metavar="HOST:PORT")
    options = parser.parse_args()
    host, _, port = options.address.rpartition(":")
    uvicorn.run(
        create_app(load_predict(options.code_dir)),
        host=host,
        port=int(port),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
