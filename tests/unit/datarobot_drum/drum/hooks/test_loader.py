"""Hooks as authors write them: what is passed, what is refused, and how `custom.py` is imported."""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.hooks import spec
from datarobot_drum.drum.hooks.loader import ModelHooks, bind, is_async, load_hooks
from datarobot_drum.drum.hooks.loops import use_awaiter
from datarobot_drum.drum.hooks.model_loop import ModelLoop


def function(signature: str, body: str = "return dict(locals())") -> Callable[..., Any]:
    names: dict[str, Any] = {}
    exec(f"def hook({signature}):\n    {body}", names)  # noqa: S102  # signatures are test data
    hook: Callable[..., Any] = names["hook"]
    return hook


EXTRAS = {"target_type": "t", "mimetype": "m"}


@pytest.mark.parametrize(
    ("signature", "seen"),
    [
        ("data, model", {"data": 1, "model": 2}),
        ("df, mdl", {"df": 1, "mdl": 2}),
        ("a, b, /", {"a": 1, "b": 2}),
        ("a, b=5", {"a": 1, "b": 2}),
        ("data, model, target_type", {"data": 1, "model": 2, "target_type": "t"}),
        ("data, model, *, mimetype=None", {"data": 1, "model": 2, "mimetype": "m"}),
        ("data, model, other=7", {"data": 1, "model": 2, "other": 7}),
        ("data, model, **kwargs", {"data": 1, "model": 2, "kwargs": EXTRAS}),
        ("*args", {"args": (1, 2)}),
        ("*args, **kwargs", {"args": (1, 2), "kwargs": EXTRAS}),
        ("data, *rest", {"data": 1, "rest": (2,)}),
    ],
)
def test_score_gets_what_its_signature_takes(signature: str, seen: dict[str, Any]) -> None:
    assert bind(spec.SCORE, function(signature))(1, 2, **EXTRAS) == seen


@pytest.mark.parametrize(
    ("signature", "found"), [("", 0), ("data", 1), ("data, *, model", 2), ("a, b, c", 3)]
)
def test_score_of_a_wrong_shape_is_refused(signature: str, found: int) -> None:
    with pytest.raises(StartupError) as raised:
        bind(spec.SCORE, function(signature))
    assert str(raised.value) == (
        f"hook 'score' must take 2 positional arguments (data, model); hook provided takes {found}"
    )


@pytest.mark.parametrize(
    ("signature", "seen"),
    [
        ("data, model", {"data": 1, "model": 2}),
        ("data, model, target", {"data": 1, "model": 2, "target": 3}),
        ("data, model, y=None", {"data": 1, "model": 2, "y": 3}),
        ("*args", {"args": (1, 2, 3)}),
    ],
)
def test_transform_takes_two_or_three(signature: str, seen: dict[str, Any]) -> None:
    assert bind(spec.TRANSFORM, function(signature))(1, 2, 3) == seen


@pytest.mark.parametrize(("signature", "found"), [("", 0), ("x", 1), ("a, b, c, d", 4)])
def test_transform_with_other_arguments_is_refused(signature: str, found: int) -> None:
    with pytest.raises(StartupError) as raised:
        bind(spec.TRANSFORM, function(signature))
    assert str(raised.value) == (
        f"Transform hook must take 2 or 3 arguments; hook provided takes {found}"
    )


@pytest.mark.parametrize(
    ("hook", "arguments"),
    [
        (spec.LOAD_MODEL, "code_dir"),
        (spec.READ_INPUT_DATA, "data"),
        (spec.POST_PROCESS, "predictions, model"),
        (spec.SCORE_UNSTRUCTURED, "model, data"),
        (spec.CHAT, "completion_create_params, model"),
        (spec.LLM_MODELS, "model"),
    ],
)
def test_hook_of_a_wrong_shape_is_told_the_right_one(hook: spec.Hook, arguments: str) -> None:
    with pytest.raises(StartupError) as raised:
        bind(hook, function(""))
    assert f"hook {hook.name!r} must take" in str(raised.value)
    assert f"({arguments}); hook provided takes 0" in str(raised.value)


@pytest.mark.parametrize("signature", ["", "X, y, output_dir", "**kwargs", "code_dir=None"])
def test_hook_that_takes_only_keywords_may_have_any_shape(signature: str) -> None:
    assert bind(spec.FIT, function(signature)).positional_count == 0


@pytest.mark.parametrize(
    ("signature", "seen"),
    [
        ("params, model", {"params": 1, "model": 2}),
        ("params, model, headers", {"params": 1, "model": 2, "headers": 3}),
        ("params, model, *, headers", {"params": 1, "model": 2, "headers": 3}),
        ("params, model, **kw", {"params": 1, "model": 2, "kw": {"headers": 3}}),
    ],
)
def test_chat_gets_headers_if_it_takes_them(signature: str, seen: dict[str, Any]) -> None:
    assert bind(spec.CHAT, function(signature))(1, 2, headers=3) == seen


class Scorer:
    """Hooks need not be functions."""

    def __call__(self, data: int, model: int) -> tuple[int, int]:
        return data, model

    def score(self, data: int, model: int, mimetype: str) -> tuple[int, int, str]:
        return data, model, mimetype


@pytest.mark.parametrize(
    ("hook", "expected"),
    [
        (Scorer(), (1, 2)),
        (Scorer().score, (1, 2, "m")),
        (functools.partial(Scorer().score, mimetype="p"), (1, 2, "m")),
        (lambda data, model: (data, model), (1, 2)),
    ],
)
def test_hook_may_be_anything_that_can_be_called(hook: Any, expected: tuple[Any, ...]) -> None:
    assert bind(spec.SCORE, hook)(1, 2, **EXTRAS) == expected


def test_hook_without_a_signature_gets_everything() -> None:
    # a built-in type: it tells no signature
    bound = bind(spec.SCORE, max)
    assert (bound.positional_count, bound.keywords) == (2, None)
    assert bound(1, 2) == 2


async def awaited(data: int, model: int) -> int:
    return data + model


async def counted(params: int, model: int) -> AsyncIterator[int]:
    for number in range(params):
        yield number


async def returning(params: int, model: int) -> AsyncIterator[int]:
    return counted(params, model)


class AsyncScorer:
    async def __call__(self, data: int, model: int) -> int:
        return data * model


def test_async_hook_is_run_to_its_end() -> None:
    assert bind(spec.SCORE, awaited)(1, 2) == 3
    assert bind(spec.SCORE, AsyncScorer())(3, 4) == 12


def test_async_hook_s_exception_is_the_author_s() -> None:
    async def failing(data: int, model: int) -> None:
        raise KeyError(data)

    with pytest.raises(KeyError, match="1"):
        bind(spec.SCORE, failing)(1, 2)


@pytest.mark.parametrize("hook", [counted, returning])
def test_async_generator_becomes_an_iterator(hook: Callable[..., Any]) -> None:
    assert list(bind(spec.CHAT, hook)(3, None)) == [0, 1, 2]


def test_async_generator_that_fails_raises_where_it_is() -> None:
    async def failing(params: int, model: int) -> AsyncIterator[int]:
        yield 1
        raise ValueError("no more")

    items = bind(spec.CHAT, failing)(0, None)
    assert next(items) == 1
    with pytest.raises(ValueError, match="no more"):
        next(items)


def test_async_generator_that_nobody_reads_on_is_closed() -> None:
    closed: list[bool] = []

    async def endless(params: int, model: int) -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    items: Iterator[int] = bind(spec.CHAT, endless)(0, None)
    assert next(items) == 1
    del items
    gc.collect()
    assert closed == [True]


class Clinging:
    """A stream of a client library, which has no `aclose`."""

    closed = 0

    async def __aiter__(self) -> AsyncIterator[int]:
        yield 1

    async def close(self) -> None:
        self.closed += 1


def test_stream_of_an_async_client_becomes_an_iterator_and_is_closed() -> None:
    stream = Clinging()

    async def chat(params: int, model: int) -> Clinging:
        return stream

    assert list(bind(spec.CHAT, chat)(1, 2)) == [1]
    assert stream.closed == 1


def test_model_that_can_be_iterated_asynchronously_stays_as_it_is() -> None:
    stream = Clinging()
    assert bind(spec.LOAD_MODEL, lambda code_dir: stream)("here") is stream


def passed_on(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any) -> Any:
        return function(*args)

    return call


@pytest.mark.parametrize(
    "function",
    [awaited, counted, AsyncScorer(), functools.partial(awaited, 1), passed_on(awaited)],
)
def test_async_def_is_seen_through_what_is_around_it(function: Callable[..., Any]) -> None:
    assert is_async(function)


@pytest.mark.parametrize("function", [function("data, model"), Scorer(), Scorer().score, max, dict])
def test_other_functions_are_not_async(function: Callable[..., Any]) -> None:
    assert not is_async(function)


def write(path: Path, code: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(code))
    return path


def load(path: Path, target: TargetType = TargetType.REGRESSION) -> ModelHooks:
    return load_hooks(path, str(path.parents[1]), target)


def test_folder_without_custom_py_has_no_hooks(tmp_path: Path) -> None:
    hooks = load_hooks(None, str(tmp_path), TargetType.REGRESSION)
    assert (hooks.bound, hooks.path) == ({}, None)
    assert spec.SCORE not in hooks


def test_hooks_are_found_by_name_and_target(tmp_path: Path) -> None:
    path = write(
        tmp_path / "sub" / "custom.py",
        """
        def score(data, model): return 7
        def score_unstructured(wrong): pass
        def custom_predict(): pass
        transform = None
        """,
    )
    hooks = load(path)
    score = hooks.get(spec.SCORE)
    assert (list(hooks.bound), hooks.path) == (["score"], path)
    assert score is not None
    assert score(1, 2) == 7
    assert hooks.get(spec.TRANSFORM) is None


def test_hook_of_a_wrong_shape_stops_the_load(tmp_path: Path) -> None:
    path = write(tmp_path / "sub" / "custom.py", "def score(data): pass")
    with pytest.raises(StartupError, match="hook 'score' must take 2 positional arguments"):
        load(path)


def test_custom_py_imports_its_neighbours_first(tmp_path: Path) -> None:
    write(tmp_path / "helper.py", "NAME = 'outer'")
    write(tmp_path / "sub" / "helper.py", "NAME = 'inner'")
    path = write(tmp_path / "sub" / "custom.py", "from helper import NAME\ninit = lambda: NAME")
    init = load(path).get(spec.INIT)
    assert init is not None
    assert init() == "inner"
    assert (sys.path[0], sys.path[-1]) == (str(tmp_path / "sub"), str(tmp_path))
    assert sys.modules["custom"].__file__ == str(path)


def test_custom_py_loaded_twice_leaves_the_path_as_it_was(tmp_path: Path) -> None:
    path = write(tmp_path / "sub" / "custom.py", "def score(data, model): pass")
    load(path)
    before = list(sys.path)
    load(path)
    assert sys.path == before


def test_import_that_is_missing_names_file_and_module(tmp_path: Path) -> None:
    path = write(tmp_path / "sub" / "custom.py", "import no_such_module")
    with pytest.raises(StartupError) as raised:
        load(path)
    assert str(raised.value) == (
        "\n\nRunning environment language: Python.\n"
        f"Failed loading hooks from [{path}] : No module named 'no_such_module'"
    )
    assert isinstance(raised.value.__cause__, ImportError)


@pytest.mark.parametrize(
    ("code", "error"),
    [("1 +", SyntaxError), ("nope", NameError), ("raise SystemExit(3)", SystemExit)],
)
def test_other_errors_of_the_import_go_through(
    code: str, error: type[BaseException], tmp_path: Path
) -> None:
    with pytest.raises(error):
        load(write(tmp_path / "sub" / "custom.py", code))


@pytest.mark.parametrize("task", ["class CustomTask: pass", "CustomTask = 5"])
def test_task_that_is_no_task_class_is_refused(tmp_path: Path, task: str) -> None:
    path = write(tmp_path / "sub" / "custom.py", task)
    with pytest.raises(StartupError, match="must inherit from the CustomTaskInterface"):
        load(path)


@pytest.mark.parametrize(
    ("code", "shares"),
    [
        ("async def score(data, model): pass\ndef transform(data, model): pass", True),
        ("async def load_model(code_dir): pass\ndef score(data, model): pass", False),
        ("def score(data, model): pass", False),
    ],
)
def test_hooks_share_a_loop_when_one_that_answers_is_async(
    tmp_path: Path, code: str, shares: bool
) -> None:
    found = load(write(tmp_path / "sub" / "custom.py", code))
    assert found.is_async is shares
    assert {hook.shares_loop for hook in found.bound.values()} == {shares}


def test_hooks_that_share_a_loop_are_awaited_where_the_thread_says(tmp_path: Path) -> None:
    code = """
    import threading
    async def score(data, model): return threading.current_thread().name
    async def chat(params, model): yield threading.current_thread().name
    """
    found, loop = load(write(tmp_path / "sub" / "custom.py", code)), ModelLoop()
    use_awaiter(loop)
    try:
        score, chat = found.bound["score"], found.bound["chat"]
        assert (score(1, 2), list(chat(1, 2))) == ("model-loop", ["model-loop"])
        assert bind(spec.SCORE, where)(1, 2) == threading.current_thread().name
    finally:
        use_awaiter(None)
        loop.close(20)


async def where(data: int, model: int) -> str:
    await asyncio.sleep(0)
    return threading.current_thread().name


def test_class_task_hides_all_hooks(tmp_path: Path) -> None:
    code = (
        "from datarobot_drum.custom_task_interfaces import TransformerInterface\n"
        "class CustomTask(TransformerInterface): pass\n"
        "def score(data, model): pass\n"
    )
    found = load(write(tmp_path / "sub" / "custom.py", code))
    assert (found.task and found.task.__module__, found.bound) == ("custom", {})


def test_file_that_is_no_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="it must be a Python file"):
        load(write(tmp_path / "sub" / "custom.txt", ""))
