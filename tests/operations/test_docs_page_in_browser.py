"""The docs pages in a real browser, which must ask nobody but the server."""

from __future__ import annotations

from functools import partial

import pytest
from tests.operations.browser import StatusPage, chromium
from tests.operations.test_tls import LINEAR


@pytest.mark.tools
@pytest.mark.parametrize("server_type", ["gunicorn", "fastapi"])
def test_pages_are_drawn_without_anything_from_elsewhere(running_server, tmp_path, server_type):
    env = {"DRUM_FASTAPI_ENABLE_DOCS": "true", "URL_PREFIX": "/models/a"}
    arguments = (LINEAR, "--target-type", "regression")
    with (
        running_server(*arguments, env=env, server_type=server_type, wait=False) as server,
        chromium(tmp_path / "profile") as driver,
    ):
        server.wait_until_ready("/models/a/readyz")
        for name in ("docs", "redoc"):
            page = StatusPage(driver, f"{server.url}/models/a/{name}")
            page.until(partial(shows, page, "Structured predictions: a table in"))
            assert not shows(page, "Failed to load")
            own = (f"{server.url}/models/a/", f"blob:{server.url}/", "data:")
            asked = page.requested()
            assert len(asked) >= 4
            assert [url for url in asked if not url.startswith(own)] == []
            assert driver.get_log("browser") == []
            assert page.run("document.documentElement.scrollWidth <= window.innerWidth")


def shows(page: StatusPage, text: str) -> bool:
    return text in page.run("document.body.innerText")
