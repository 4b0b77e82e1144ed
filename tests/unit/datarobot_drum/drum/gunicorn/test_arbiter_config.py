"""What Gunicorn's arbiter is told."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
from tests.operations.certificates import make_certificate

from datarobot_drum.drum.enum import ServerType
from datarobot_drum.drum.gunicorn.config import (
    CONTEXTS,
    UVICORN_WORKER,
    WORKER_CLASSES,
    ArbiterConfig,
    forget_worker,
    ssl_context,
)
from datarobot_drum.drum.observability.metric_files import FOLDER_VARIABLE, READING
from datarobot_drum.drum.settings import ModelSpec, ServeSpec, Settings
from datarobot_drum.drum.settings.ranges import plain_type


def config(requests: str, gpu_predictor: str | None, *, sidecar: bool) -> ArbiterConfig:
    model = ModelSpec("/m", gpu_predictor=gpu_predictor, sidecar=sidecar)
    settings = Settings.load({"DRUM_GUNICORN_MAX_REQUESTS": requests})
    return ArbiterConfig(ServeSpec(model), settings, ServerType.GUNICORN)


@pytest.mark.parametrize(
    ("gpu_predictor", "sidecar"), [(None, False), ("nim", True), ("vllm", True), ("triton", False)]
)
def test_workers_are_replaced_as_the_operator_says(gpu_predictor, sidecar, caplog):
    assert config("7", gpu_predictor, sidecar=sidecar).max_requests == 7
    assert caplog.records == []


@pytest.mark.parametrize("gpu_predictor", ["nim", "vllm"])
def test_workers_with_an_inference_server_of_their_own_are_kept(gpu_predictor, caplog):
    assert config("7", gpu_predictor, sidecar=False).max_requests == 0
    (record,) = caplog.records
    assert (record.levelname, "after 7 requests" in record.getMessage()) == ("WARNING", True)
    assert config("0", gpu_predictor, sidecar=False).max_requests == 0
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("name", "threads"), [("gthread", 108), ("sync", 1), ("gevent", 1)])
def test_worker_classes_are_ours_by_the_names_of_gunicorn(name, threads):
    settings = Settings.load({"DRUM_GUNICORN_WORKER_CLASS": name})
    arbiter = ArbiterConfig(ServeSpec(ModelSpec("/m")), settings, ServerType.GUNICORN)
    module, _, cls = arbiter.worker_class.rpartition(".")
    assert (module.startswith("datarobot_drum."), cls.startswith("Drum")) == (True, True)
    assert arbiter.threads == threads


@pytest.mark.parametrize(
    ("name", "server_type", "sockets"),
    [
        ("gthread", ServerType.GUNICORN, "LimitedSocket"),
        ("SYNC", ServerType.GUNICORN, "LimitedSocket"),
        ("gevent", ServerType.GUNICORN, "gevent.ssl.SSLSocket"),
        ("gevent", ServerType.FASTAPI, "ssl.SSLSocket"),
    ],
)
def test_context_of_tls_fits_the_sockets_of_the_worker_class(name, server_type, sockets, tmp_path):
    certificate = str(make_certificate(tmp_path))
    variables = {"DRUM_GUNICORN_WORKER_CLASS": name, "DRUM_SSL_CERTFILE": certificate}
    settings = Settings.load(variables)
    worker_class = ArbiterConfig(ServeSpec(ModelSpec("/m")), settings, server_type).worker_class
    kind = ssl_context(settings, worker_class)(None, None).sslsocket_class
    assert f"{kind.__module__}.{kind.__qualname__}".endswith(sockets)


def test_every_worker_class_has_its_context_of_tls():
    assert set(CONTEXTS) == {*WORKER_CLASSES.values(), UVICORN_WORKER}
    choices = get_args(plain_type(Settings.model_fields["gunicorn_worker_class"].annotation))
    assert set(WORKER_CLASSES) == set(choices)


def lock_that_cannot_be_opened(folder: Path, pid: int) -> None:
    (folder / READING).mkdir()
    (folder / f"counter_{pid}.db").touch()


def file_that_was_cut_off(folder: Path, pid: int) -> None:
    (folder / f"counter_{pid}.db").write_bytes(b"cut")


@pytest.mark.parametrize("spoil", [lock_that_cannot_be_opened, file_that_was_cut_off])
def test_figures_that_cannot_be_kept_do_not_end_the_arbiter(spoil, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    spoil(tmp_path, os.getpid())
    forget_worker(None, SimpleNamespace(pid=os.getpid()))
    assert f"the figures of worker {os.getpid()} cannot be kept" in caplog.text
