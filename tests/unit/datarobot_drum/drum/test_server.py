"""The chosen server type starts, or says why not."""

from __future__ import annotations

import os
import socket

import pytest

from datarobot_drum.drum import server
from datarobot_drum.drum.enum import ServerType
from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.settings import ModelSpec, ServeSpec, Settings


@pytest.mark.parametrize(("workers", "warnings"), [(1, 0), (3, 1)])
def test_workers_that_flask_does_not_have_are_told(workers, warnings, tmp_path, caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        spec = ServeSpec(ModelSpec(str(tmp_path)), port=taken.getsockname()[1])
        with pytest.raises(StartupError, match="cannot listen"):
            server.run_server(spec, Settings(server_type=ServerType.FLASK, workers=workers))
    told = [text for text in caplog.messages if "not in 3 workers" in text]
    assert len(told) == warnings


def test_unknown_name_of_the_module_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        server.nothing  # noqa: B018  # the access is the test


@pytest.mark.parametrize(
    ("environ", "count"),
    [
        ({}, 0),
        ({"DRUM_CLIENT_REQUEST_TIMEOUT": "300"}, 1),
        ({"DRUM_UVICORN_GRACEFUL_TIMEOUT": "30"}, 1),
        ({"DRUM_CLIENT_REQUEST_TIMEOUT": "30"}, 0),
        ({"DRUM_CLIENT_REQUEST_TIMEOUT": "0"}, 0),
    ],
)
def test_operator_is_told_of_a_stop_that_cuts_requests(environ, count, caplog):
    server._compare_timeouts(Settings.load(environ))
    assert len(caplog.records) == count


def no_folder() -> str:
    raise FileNotFoundError("no usable temporary directory")


@pytest.mark.parametrize(("memory", "found"), [(None, None), ("here", "here")])
def test_temporary_files_go_to_memory_where_they_can_go_nowhere_else(
    memory, found, monkeypatch, tmp_path
):
    folder = str(tmp_path / memory) if memory else str(tmp_path / "missing")
    (tmp_path / "here").mkdir()
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr("tempfile.gettempdir", no_folder)
    monkeypatch.setattr(server, "MEMORY_FOLDER", folder)
    server._find_temporary_folder()
    assert os.environ.pop("TMPDIR", None) == (str(tmp_path / found) if found else None)
