"""The status page in a real browser, and its errors of several workers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.conftest import RunningServer, ServerContext, StartServer
from tests.operations.browser import StatusPage, chromium

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

MODELS = Path(__file__).resolve().parents[1] / "fixtures" / "models"
ON = {"DRUM_ENABLE_UI": "true"}
TWO = {**ON, "CUSTOM_MODEL_WORKERS": "2"}
GOOD, BAD = b"a,b\n1,2\n", b"a,b\n1,x\n"
CTRL, ENTER = "\ue009", "\ue007"

Open = Callable[[RunningServer], StatusPage]


def predict(server: RunningServer, body: bytes, **headers: str) -> int:
    sent = {"Content-Type": "text/csv", **headers}
    return server.post("/predict/", content=body, headers=sent).status_code


def workers_of_errors(server: RunningServer) -> set[int]:
    return {error["worker"] for error in server.get("/ui/facts").json()["errors"]}


@pytest.mark.parametrize("server_type", ["gunicorn", "fastapi"])
def test_every_worker_tells_the_errors_of_all(
    server_type: str, running_server: ServerContext
) -> None:
    with running_server(
        MODELS / "linear", *("--target-type", "regression"), env=TWO, server_type=server_type
    ) as server:
        for number in range(200):
            # a connection of its own each time: either worker may take it
            url = f"{server.url}/predict/"
            headers = {"Content-Type": "text/csv", "X-Request-ID": f"id-{number}"}
            assert httpx.post(url, content=BAD, headers=headers, trust_env=False).is_error
            if len(workers_of_errors(server)) == 2:
                break
        answers = [httpx.get(f"{server.url}/ui/facts", trust_env=False).json() for _ in range(10)]
        errors = answers[0]["errors"]
        assert all(answer["errors"] == errors for answer in answers)
        assert len({error["worker"] for error in errors}) == 2
        assert errors[0]["requestId"] == f"id-{number}"
        assert len({answer["server"]["started"] for answer in answers}) == 1


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def open_page(driver: Chrome) -> Open:
    return lambda server: StatusPage(driver, f"{server.url}/ui/")


@pytest.fixture(scope="module", params=["gunicorn", "fastapi"])
def linear(
    request: pytest.FixtureRequest, running_server: ServerContext
) -> Iterator[RunningServer]:
    place = MODELS / "linear", "--target-type", "regression"
    with running_server(*place, env=TWO, server_type=request.param) as server:
        yield server


@pytest.mark.tools
def test_page_is_quiet_and_asks_nobody_else(linear: RunningServer, open_page: Open) -> None:
    page = open_page(linear)
    page.until_state("Ready")
    page.until(lambda: "2 ready" in page.text("about"))
    assert page.text("name") == "linear"
    assert page.text("kind") == "regression · python"
    assert [url for url in page.requested() if not url.startswith(f"{linear.url}/")] == []
    assert page.is_clean()


@pytest.mark.tools
def test_numbers_are_those_of_the_requests_sent(linear: RunningServer, open_page: Open) -> None:
    page = open_page(linear)
    page.until_state("Ready")
    page.until(lambda: "since start" in page.text("rate-note"))
    before = int((page.route("POST /predict/") or ["0"])[0])
    failed = page.run("+document.getElementById('errors-note').innerText.split(' ')[0]")
    for number in range(60):
        status = predict(linear, BAD if number % 10 == 0 else GOOD)
        assert status == (500 if number % 10 == 0 else 200)
    wanted = str(before + 60)
    page.until(lambda: (page.route("POST /predict/") or [""])[0] == wanted)
    row = page.route("POST /predict/")
    assert row is not None
    assert row[2:4] == ["6", "0"]
    assert all(text.endswith("ms") for text in row[4:])
    assert page.text("rate-note").startswith(f"{wanted} since start")
    assert page.text("errors-note").startswith(f"{failed + 6} failed")
    assert page.text("errors-value") == "10 %"


@pytest.mark.tools
def test_form_shows_predictions_and_errors_by_id(linear: RunningServer, open_page: Open) -> None:
    page = open_page(linear)
    page.until_state("Ready")
    page.write("data", "a,b\n1,2\n3,4")
    page.click("send")
    assert page.answer() == [["22"], ["46"]]
    assert page.text("answer-status") == "200"
    page.write("data", "x" + CTRL + ENTER)
    page.until(lambda: page.text("answer-status") == "500")
    id = page.text("answer-id")
    row = page.until(lambda: next((row for row in page.rows("errors") if row[-1] == id), None))
    assert row[1:3] == ["500", "POST /predict/"]
    assert "could not convert string to float" in row[3]


@pytest.fixture(scope="module")
def hostile(
    running_server: ServerContext, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models") / "<img src=x onerror=window.pwned=4>"
    shutil.copytree(MODELS / "hostile_text", folder)
    env = {**ON, "TARGET_NAME": "answer", "URL_PREFIX": "/below", "DRUM_METRICS_ENABLED": "false"}
    place = folder, "--target-type", "textgeneration"
    with running_server(*place, env=env, server_type="flask", wait=False) as server:
        server.wait_until_ready("/below/health/")
        yield server


@pytest.fixture
def hostile_page(hostile: RunningServer, driver: Chrome) -> StatusPage:
    page = StatusPage(driver, f"{hostile.url}/below/ui")
    page.until_state("Ready")
    return page


@pytest.fixture(scope="module")
def modules(
    hostile: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StatusPage]:
    """A page that nobody navigates away from, for tests of its scripts alone."""
    with chromium(tmp_path_factory.mktemp("scripts")) as browser:
        yield StatusPage(browser, f"{hostile.url}/below/ui/")


@pytest.mark.tools
def test_texts_of_a_model_are_inert(hostile_page: StatusPage) -> None:
    page = hostile_page
    assert page.text("name") == "<img src=x onerror=window.pwned=4>"
    page.write("data", "promptText\nhello")
    page.click("send")
    (row,) = page.answer()
    assert row == ["<img src=x onerror='window.pwned = 1'><script>window.pwned = 2</script>"] * 2
    page.run("document.getElementById('data').value = 'promptText\\nfail'")
    page.click("send")
    page.until(lambda: any("<script>" in row[3] for row in page.rows("errors")))
    page.click("metadata")
    assert "window.pwned = 3" in page.text("metadata-text")
    errors = [e["message"] for e in page.driver.get_log("browser")]
    assert all("status of 500" in message for message in errors)
    assert page.is_clean()


@pytest.mark.tools
def test_page_below_a_prefix_chats_and_says_that_metrics_are_off(hostile_page: StatusPage) -> None:
    page = hostile_page
    assert "Metrics are off" in page.text("notices")
    assert "Metrics are off" in page.text("routes-empty")
    page.run("document.getElementById('route').value = 'chat'")
    page.run("document.getElementById('route').dispatchEvent(new Event('change'))")
    page.write("data", "it's me")
    page.click("send")
    page.until(lambda: page.text("answer").startswith("<img src=x"))
    assert page.text("answer").splitlines()[0].endswith("it's me")
    page.click("curl")
    command = page.until(lambda: page.text("curl-text"))
    assert "/below/chat/completions'" in command
    assert "it'\\''s me" in command


@pytest.mark.tools
def test_page_fits_a_phone(hostile: RunningServer, driver: Chrome) -> None:
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page = StatusPage(driver, f"{hostile.url}/below/ui/")
        page.until_state("Ready")
        assert page.run("document.documentElement.scrollWidth") == 390
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.tools
def test_hidden_page_asks_nothing(hostile_page: StatusPage) -> None:
    page = hostile_page
    hide = "Object.defineProperty(document, 'hidden', {get: () => window.away, configurable: true})"
    page.run(f"window.away = true, {hide}, document.dispatchEvent(new Event('visibilitychange'))")
    page.until(lambda: page.run("document.hidden"))
    asked = "performance.getEntriesByType('resource').filter(e => /facts/.test(e.name)).length"
    done = page.run(asked)
    # more than a period and a half
    page.driver.execute_async_script("setTimeout(arguments[0], 3200)")
    assert page.run(asked) <= done + 1
    page.run("window.away = false, document.dispatchEvent(new Event('visibilitychange'))")
    page.until(lambda: page.run(asked) > done + 1)


@pytest.mark.tools
def test_failed_model_is_told(start_server: StartServer, open_page: Open) -> None:
    server = start_server(
        MODELS / "broken_load",
        *("--target-type", "regression", "--with-error-server"),
        env=ON,
        server_type="flask",
        wait=False,
    )
    server.wait_until_ready("/livez")
    page = open_page(server)
    page.until_state("Failed")
    assert "The model could not be loaded" in page.text("notices")
    assert "load_model" in page.text("notices")


@pytest.mark.tools
def test_page_finds_a_server_again(
    start_server: StartServer, free_port: int, driver: Chrome
) -> None:
    def start() -> RunningServer:
        place = "--target-type", "regression", "--address", f"127.0.0.1:{free_port}"
        server = start_server(MODELS / "linear", *place, env=ON, server_type="flask", wait=False)
        server.client.base_url = f"http://127.0.0.1:{free_port}"
        server.wait_until_ready()
        return server

    server = start()
    page = StatusPage(driver, f"http://127.0.0.1:{free_port}/ui/")
    for _ in range(5):
        predict(server, GOOD)
    page.until(lambda: (page.route("POST /predict/") or [""])[0] == "5")
    server.stop()
    page.until_state("No answer")
    assert "trying again" in page.text("notices")
    predict(start(), GOOD)
    page.until_state("Ready")
    page.until(lambda: (page.route("POST /predict/") or [""])[0] == "1")
    assert page.text("notices") == ""
    page.until(lambda: page.run("document.querySelector('#tiles .line').getAttribute('d')"))


EXPOSITION = r"""# HELP a_total Of "things".
# TYPE a_total counter
a_total{x="1",y="a\\b\"c\nd,}"} 3 1700000000000
a_total{x="2",y=""} 4e2
a_total{x="3"} NaN
plain +Inf
"""
PARSED = f"m.parse({json.dumps(EXPOSITION)})"
HALF_OPEN = "{low: 2, high: Infinity, count: 1}"
PIECES = f"[{{low: 0, high: 1, count: 10}}, {{low: 1, high: 2, count: 10}}, {HALF_OPEN}]"
TWICE = "[{low: 0, high: 4, count: 2}, {low: 0, high: 4, count: 6}]"
LABELLED = {"predictions": [{"yes": 0.25, "no": 0.75}]}
EXTRA = {"extraModelOutput": {"columns": ["why"], "index": [0], "data": [["so"]]}}
VALUES = {"predictionValues": [{"label": "yes", "value": 1}]}
PLATFORM = {"data": [{"rowId": 0, "prediction": "yes", **VALUES}]}
FORM = (
    '--b\r\nContent-Disposition: form-data; name="X"; filename="X.csv"\r\n\r\na\n1\n\r\n--b--\r\n'
)
CSV = 'a,"b,""c"\r\n1,"2\n3"\n,x\n'
MANY = json.dumps({"predictions": [1] * 250})

SCRIPTS = [
    (
        "prometheus.js",
        f"{PARSED}.get('a_total')[0]",
        {"labels": {"x": "1", "y": 'a\\b"c\nd,}'}, "value": 3},
    ),
    ("prometheus.js", f"m.total({PARSED}, 'a_total', {{x: '2'}})", 400),
    ("prometheus.js", f"{PARSED}.get('plain')[0].value === Infinity", True),
    ("prometheus.js", "String(m.total(m.parse(''), 'a_total'))", "NaN"),
    ("prometheus.js", "[m.increase(3, 5), m.increase(5, 3), m.increase(5, 5)]", [2, 3, 0]),
    ("prometheus.js", f"m.quantile(0.5, {PIECES})", 1.05),
    ("prometheus.js", f"m.quantile(0.99, {PIECES})", 2),
    ("prometheus.js", "String(m.quantile(0.5, []))", "NaN"),
    ("prometheus.js", f"[0.25, 0.5, 0.75, 1].map((q) => m.quantile(q, {TWICE}))", [1, 2, 3, 4]),
    ("dom.js", "[0, 59, 61, 3600, 90061].map(m.age)", "0 s,59 s,1 min 1 s,1 h,1 d 1 h".split(",")),
    (
        "dom.js",
        "[0.0123, 1.5, 600, NaN, Infinity].map(m.duration)",
        ["12.3 ms", "1.5 s", "10 min", "–", "> 10 min"],
    ),
    ("dom.js", "[0, 1023, 1536, 5e9].map(m.bytes)", ["0 B", "1,023 B", "1.5 KiB", "4.66 GiB"]),
    ("answers.js", f"m.parseCsv({json.dumps(CSV)})", [["a", 'b,"c'], ["1", "2\n3"], ["", "x"]]),
    (
        "answers.js",
        f"m.tableOf({json.dumps(LABELLED | EXTRA)})",
        {"columns": ["yes", "no", "why"], "rows": [[0.25, 0.75, "so"]]},
    ),
    (
        "answers.js",
        f"m.tableOf({json.dumps(PLATFORM)})",
        {"columns": ["rowId", "prediction", "yes"], "rows": [[0, "yes", 1]]},
    ),
    ("answers.js", "m.tableOf({message: 'ERROR'})", None),
]


@pytest.mark.tools
@pytest.mark.parametrize(("module", "expression", "expected"), SCRIPTS)
def test_script_computes(
    module: str, expression: str, expected: object, modules: StatusPage
) -> None:
    found = modules.run_module(module, expression)
    assert found == pytest.approx(expected) if isinstance(expected, float) else found == expected


@pytest.mark.tools
@pytest.mark.parametrize(
    ("body", "type", "is_cut", "shown"),
    [
        (FORM, "multipart/form-data; boundary=b", False, "Part X|Rowa11"),
        (FORM, "multipart/form-data; boundary=c", False, FORM.replace("\r\n", "\n")),
        ('{"predictions": [1', "application/json", True, '{"predictions": [1'),
        ("", "text/plain", False, "The answer has no body."),
        ("a,b\n1,2\n", "text/csv", False, "Rowab112"),
        (MANY, "application/json", False, "Shown: the first 100 of 250 rows."),
        ("x" * 30_000, "text/plain", False, "Shown: the first 20,000 of 30,000 characters."),
        ("x", "text/plain", True, "Only the first 5 MB were read."),
    ],
)
def test_answer_is_shown_as_what_it_is(
    body: str, type: str, is_cut: bool, shown: str, modules: StatusPage
) -> None:
    bytes = f"new TextEncoder().encode({json.dumps(body)})"
    made = f"m.answerElements({bytes}, {json.dumps(type)}, {json.dumps(is_cut)})"
    expression = f"{made}.then((all) => all.map((one) => one.textContent).join('|'))"
    text = modules.run_module("answers.js", expression)
    assert shown in text.replace("\r\n", "\n")


RESET = """(() => {
    const text = (count, sum) => [
        `drum_requests_total{method="POST",endpoint="/p",status="200"} ${count}`,
        `drum_request_duration_seconds_bucket{method="POST",endpoint="/p",le="0.1"} ${count - 1}`,
        `drum_request_duration_seconds_bucket{method="POST",endpoint="/p",le="+Inf"} ${count}`,
    ].join("\\n");
    const history = new m.History();
    history.add(m.snapshot(text(100), 0));
    history.add(m.snapshot(text(110), 2));
    history.add(m.snapshot(text(4), 4));
    const of = (differences) => {
        const { requests, rate, p99 } = m.summary(differences, () => true);
        return [requests, rate, p99];
    };
    return [of(history.last(60)), of(history.last(1)), of(history.sinceStart()).slice(0, 1)];
})()"""


@pytest.mark.tools
def test_counters_that_start_anew_count_from_zero(modules: StatusPage) -> None:
    found = modules.run_module("figures.js", RESET)
    assert found == [[14, 3.5, pytest.approx(0.1)], [4, 2, pytest.approx(0.1)], [4]]
