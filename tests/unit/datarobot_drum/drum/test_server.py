"""The chosen server type starts, or says why not."""

from __future__ import annotations

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
