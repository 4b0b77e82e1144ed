"""Finding and loading `custom_flask.py` and `custom_fastapi.py`."""

from __future__ import annotations

import sys

import pytest

from datarobot_drum.drum.errors import DrumError, StartupError
from datarobot_drum.drum.model_folder import extension_names, find_extension, load_extension


@pytest.fixture(autouse=True)
def _clean_imports(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_find_extension_looks_below_the_folder(folder):
    path = folder("sub/custom_flask.py", "custom_fastapi.pyc")
    assert find_extension(path, "custom_flask") == path / "sub" / "custom_flask.py"
    assert find_extension(path, "custom_fastapi") is None


def test_find_extension_refuses_two(folder):
    with pytest.raises(DrumError, match="Found too many custom hook files: "):
        find_extension(folder("custom_flask.py", "sub/custom_flask.py"), "custom_flask")


def test_extension_names_are_those_that_find_extension_would_find(folder):
    path = folder(".venv/custom_fastapi.py", "sub/custom_flask.py")
    assert extension_names(path) == {"custom_flask"}


def test_load_extension_calls_init_app_of_a_module_with_helpers_beside_it(folder):
    path = folder(
        **{
            "sub/custom_flask.py": "import beside_it\ndef init_app(app): beside_it.mark(app)\n",
            "sub/beside_it.py": "def mark(app): app.append('helper')\n",
        }
    )
    app: list[str] = []
    load_extension(path / "sub" / "custom_flask.py", app, "Flask")
    assert app == ["helper"]
    assert "custom_flask" in sys.modules
    assert sys.path[0] == str(path / "sub")


def test_load_extension_does_not_repeat_its_folder_on_the_path(folder):
    path = folder(**{"custom_fastapi.py": "def init_app(app): pass\n"}) / "custom_fastapi.py"
    load_extension(path, None, "FastAPI")
    load_extension(path, None, "FastAPI")
    assert sys.path.count(str(path.parent)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module_xyz", "No module named 'no_such_module_xyz'"),
        ("raise KeyError('x')", "KeyError('x')"),
        ("def init_app(app): raise RuntimeError('no')", "RuntimeError('no')"),
        ("def init_app(app): import no_such_xyz", "No module named 'no_such_xyz'"),
        ("def init_app(", "SyntaxError("),
    ],
)
@pytest.mark.parametrize("kind", ["Flask", "FastAPI"])
def test_extension_that_fails_stops_the_start_with_its_path(folder, text, message, kind):
    path = folder(**{"custom_x.py": text}) / "custom_x.py"
    with pytest.raises(StartupError) as caught:
        load_extension(path, None, kind)
    assert str(caught.value).startswith(f"Failed to extend {kind} app from [{path}] : {message}")


def test_extension_that_fails_on_import_leaves_no_module_behind(folder):
    path = folder(**{"custom_x.py": "1 / 0"}) / "custom_x.py"
    with pytest.raises(StartupError):
        load_extension(path, None, "Flask")
    assert "custom_x" not in sys.modules


def test_extension_without_init_app_stops_the_start(folder):
    path = folder("custom_flask.py") / "custom_flask.py"
    with pytest.raises(StartupError) as caught:
        load_extension(path, None, "Flask")
    assert str(caught.value) == "module 'custom_flask' has no attribute 'init_app'"


def test_extension_that_is_no_python_file_stops_the_start(folder):
    path = folder("custom_flask.txt") / "custom_flask.txt"
    with pytest.raises(StartupError, match="not a Python file"):
        load_extension(path, None, "Flask")
