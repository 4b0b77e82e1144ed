"""Headers of answers: request ids, CORS off and on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.contract.cases import models
from tests.contract.cases.case import Case, get, post

LINEAR = models.LINEAR
UNSEEN = ("Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Vary")
PAGE = "https://app.example"
PREFLIGHT = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
}
OPEN_TO_ONE = replace(
    LINEAR, environment=(("DRUM_CORS_ENABLED", "true"), ("DRUM_CORS_ORIGINS", PAGE))
)
OPEN_TO_ALL = replace(
    LINEAR, environment=(("DRUM_CORS_ENABLED", "true"), ("DRUM_CORS_ORIGINS", "*"))
)


def _request_ids() -> Iterator[Case]:
    sent = {"X-Request-Id": "id-1"}
    echoed = {"X_Request_ID": "id-1", "X-Request-ID": "id-1"}
    yield get("request id on 200", LINEAR, "/ping/", send=sent, reply_headers=echoed)
    yield get("request id on 404", LINEAR, "/nope", send=sent, status=404, reply_headers=echoed)
    yield get(
        "request id on 405",
        LINEAR,
        "/ping/",
        method="DELETE",
        send=sent,
        status=405,
        reply_headers=echoed,
    )
    options: dict = {"send": sent, "reply_headers": echoed}
    row = b"a,b\n1,2\n"
    yield post("request id on a prediction", LINEAR, "/predict/", row, **options)
    yield post("request id on 422", LINEAR, "/transform/", row, status=422, **options)
    failing = b"do,v\nfail,1\n"
    yield post("request id on 500", models.REGRESSION, "/predict/", failing, status=500, **options)
    yield post(
        "request id on unstructured", models.UNSTRUCTURED, "/predictUnstructured/", b"x", **options
    )
    yield get(
        "request id in any case",
        LINEAR,
        "/ping/",
        send={"x-request-ID": "id-1"},
        reply_headers=echoed,
    )


CASES = (
    *_request_ids(),
    get("no CORS by default", LINEAR, "/ping/", send={"Origin": PAGE}, absent_headers=UNSEEN),
    get(
        "preflight is an ordinary OPTIONS by default",
        LINEAR,
        "/predict/",
        method="OPTIONS",
        send=PREFLIGHT,
        reply_headers={"Allow": "POST, OPTIONS"},
        absent_headers=UNSEEN,
    ),
    get(
        "CORS for a listed origin",
        OPEN_TO_ONE,
        "/ping/",
        send={"Origin": PAGE},
        reply_headers={"Access-Control-Allow-Origin": PAGE},
        absent_headers=("Access-Control-Allow-Credentials",),
    ),
    get(
        "CORS on an error",
        OPEN_TO_ONE,
        "/nope",
        send={"Origin": PAGE},
        status=404,
        reply_headers={"Access-Control-Allow-Origin": PAGE},
    ),
    get(
        "CORS for another origin",
        OPEN_TO_ONE,
        "/ping/",
        send={"Origin": "https://evil.example"},
        absent_headers=("Access-Control-Allow-Origin",),
    ),
    get(
        "CORS without an origin",
        OPEN_TO_ONE,
        "/ping/",
        absent_headers=("Access-Control-Allow-Origin",),
    ),
    get(
        "preflight of a listed origin",
        OPEN_TO_ONE,
        "/predict/",
        method="OPTIONS",
        send=PREFLIGHT,
        reply_headers={"Access-Control-Allow-Origin": PAGE},
        absent_headers=("Access-Control-Allow-Credentials",),
    ),
    get(
        "CORS for all origins",
        OPEN_TO_ALL,
        "/ping/",
        send={"Origin": PAGE},
        reply_headers={"Access-Control-Allow-Origin": "*"},
        absent_headers=("Access-Control-Allow-Credentials",),
    ),
)
