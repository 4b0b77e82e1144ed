"""The pages about the API: all on or all off, valid, and without anything from elsewhere."""

from __future__ import annotations

import re

import pytest
from openapi_spec_validator import validate
from tests.contract.cases import models
from tests.contract.conftest import Serve

from datarobot_drum.drum.root_predictors.docs_pages import ASSETS
from datarobot_drum.drum.root_predictors.routes import ROUTES

PAGES = ("/docs", "/redoc", "/openapi.json")


def test_pages_are_not_there_by_default(own_client: Serve) -> None:
    client = own_client(models.LINEAR)
    assert [client.get(path).status for path in PAGES] == [404] * 3


@pytest.mark.parametrize("prefix", ["", "/pre/fix"])
def test_pages_and_all_they_load_come_from_this_server(own_client: Serve, prefix: str) -> None:
    docs = models.LINEAR.with_environment(DRUM_FASTAPI_ENABLE_DOCS="true", URL_PREFIX=prefix)
    client = own_client(docs)
    for path in ("/docs", "/redoc"):
        page = client.get(prefix + path)
        assert (page.status, page.media_type) == (200, "text/html")
        assert "default-src 'self'" in (page.header("Content-Security-Policy") or "")
        found = re.findall(r'(?:src|href|spec-url|url)(?:=|: )"([^"]+)"', page.body.decode())
        assert len(found) >= 3
        assert all(target.startswith(f"{prefix}/") for target in found)
        assert [client.get(target).status for target in found] == [200] * len(found)
    for name in ASSETS:
        asset = client.get(f"{prefix}/docs/{name}").body
        assert len(asset) > 1000
        assert b"://cdn." not in asset
    assert client.get(f"{prefix}/docs/other.js").status == 404


def test_document_is_valid_and_tells_every_route(own_client: Serve) -> None:
    client = own_client(models.LINEAR.with_environment(DRUM_FASTAPI_ENABLE_DOCS="true"))
    document = client.get("/openapi.json").json()
    validate(document)
    told = {(path, method) for path, item in document["paths"].items() for method in item}
    for route in ROUTES:
        for path in route.paths:
            assert {(path, method.lower()) for method in route.methods} <= told
    csv = document["paths"]["/predict/"]["post"]["requestBody"]["content"]["text/csv"]["example"]
    answer = client.post("/predict/", csv.encode())
    expected = document["paths"]["/predict/"]["post"]["responses"]["200"]["content"]
    assert answer.json() == expected["application/json"]["example"]
