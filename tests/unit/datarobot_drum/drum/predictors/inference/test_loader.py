"""Whether an inference server that was started is ready."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from datarobot_drum.drum.predictors.inference.client import UpstreamClient
from datarobot_drum.drum.predictors.inference.loader import _is_ready
from datarobot_drum.drum.upstream import Upstream


@pytest.fixture
def upstream(inference_server) -> Upstream:
    return Upstream("vLLM", f"http://127.0.0.1:{inference_server.port}", "/health")


@pytest.fixture
def client(upstream) -> Iterator[UpstreamClient]:
    opened = UpstreamClient(upstream, 60)
    yield opened
    opened.close()


@pytest.mark.parametrize(("status", "is_ready"), [(200, True), (302, False), (503, False)])
def test_server_is_ready_when_it_says_so(upstream, client, inference_server, status, is_ready):
    inference_server.state.health = (status, b"")
    assert _is_ready(client, upstream) is is_ready


def test_server_that_does_not_listen_is_not_ready(upstream, client, inference_server):
    inference_server.__exit__()
    assert not _is_ready(client, upstream)


def test_question_needs_no_certificates_each_time(upstream, client, monkeypatch):
    monkeypatch.setattr(ssl, "create_default_context", None)
    assert _is_ready(client, upstream)
    assert _is_ready(client, upstream)
