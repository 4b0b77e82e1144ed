"""R models beyond the table of cases: hooks, formats, errors, a process that dies, training."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from scipy.io import mmwrite
from scipy.sparse import coo_matrix

from datarobot_drum.drum.errors import (
    DrumError,
    HookError,
    InvalidInput,
    InvalidOutput,
    MalformedRequest,
    StartupError,
)
from datarobot_drum.drum.payloads import Payload
from datarobot_drum.drum.predictors import load_model, r_fit
from datarobot_drum.drum.predictors.child import ChildDied
from datarobot_drum.drum.predictors.model import Model
from datarobot_drum.drum.settings import ModelSpec, Settings

pytestmark = pytest.mark.framework("r")

LOADS = "load_model <- function(code_dir) 'm'\n"
BINARY = {"positive_class_label": "yes", "negative_class_label": "no"}

Load = Callable[..., Model]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """`load(code, target_type, **spec)` is the model of a folder with that `custom.R`."""
    with ExitStack() as ends:

        def make(code: str, target_type: str = "regression", **spec: Any) -> Model:
            (tmp_path / "custom.R").write_text(code)
            model = load_model(
                ModelSpec(str(tmp_path), target_type=target_type, **spec), Settings()
            )
            ends.callback(model.terminate)
            return model

        yield make


def rds(folder: Path, expression: str) -> None:
    """Save the value of an expression as the artifact."""
    code = f"saveRDS({expression}, commandArgs(TRUE))"
    subprocess.run(["Rscript", "-e", code, folder / "model.rds"], check=True)


def csv(text: str, **options: Any) -> Payload:
    return Payload(text.encode(), media_type="text/csv", from_request=True, **options)


SHOW = LOADS + (
    "score <- function(data, model, kwargs) data.frame(Predictions = seq_len(nrow(data)), {})\n"
)


def shown(model: Model, payload: Payload) -> list[Any]:
    extra = model.predict(payload).extra
    assert extra is not None
    return [None if pd.isna(value) else value for value in extra.iloc[:, 0]]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("a\n1\n\n3\n", [1, None, 3], id="blank-line-is-missing"),
        pytest.param("a,b\n1,2\n\n3,4\n", [1, 3], id="blank-line-is-skipped"),
        pytest.param("\ufeffa,b\n1,2\n", [1], id="byte-order-mark"),
        pytest.param('a,b\r\n"x ""q"", y",2\r\n', ['x "q", y'], id="quotes"),
        pytest.param("a,b\n☃ é,2\n", ["☃ é"], id="not-ascii"),
        pytest.param("a,b\nNA,2\n1.5,3\n", [None, 1.5], id="NA"),
        pytest.param("a,b\nTRUE,2\nFALSE,3\n", [True, False], id="truth"),
        pytest.param("a,b\n3000000000,2\n", [3e9], id="large-integer"),
        pytest.param("a,b\n0.1,2\n1e-300,3\n", [0.1, 1e-300], id="every-digit"),
        pytest.param("a,b\n'x,2\n", ["'x"], id="apostrophe"),
        pytest.param("a,b\n#x,2\n", ["#x"], id="no-comments"),
    ],
)
def test_csv_is_read_as_r_reads_it(text, wanted, load):
    assert shown(load(SHOW.format("v = data[['a']]")), csv(text)) == wanted


def test_column_names_stay_as_they_are(load):
    model = load(SHOW.format("v = paste(names(data), collapse = '|')"))
    assert shown(model, csv("my col,a/b,1,é\n1,2,3,4\n")) == ["my col|a/b|1|é"]


def test_answer_whose_column_names_are_too_long_is_refused_and_r_lives(load):
    code = (
        "transform <- function(data, model) {\n"
        "  if (data$a == 0) names(data) <- strrep('x', 17 * 2^20)\n"
        "  data.frame(data, pid = Sys.getpid(), check.names = FALSE)\n}\n"
    )
    model = load(code, "transform")
    pid = model.transform(csv("a\n1\n"))["pid"][0]
    with pytest.raises(InvalidOutput, match="too long; shorten them"):
        model.transform(csv("a\n0\n"))
    assert model.transform(csv("a\n1\n"))["pid"][0] == pid


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2,3\n", "expected 2 fields"),
        ("a,b\n1,2\n1,2,3\n", "Expected 2 fields|expected 2 fields"),
        ("\n\n", "No columns"),
    ],
)
def test_text_that_is_no_csv_is_the_clients_fault(text, said, load):
    with pytest.raises(InvalidInput, match=said):
        load(SHOW.format("v = 1")).predict(csv(text))


def test_json_records_reach_r_with_their_types(load):
    model = load(SHOW.format("v = paste(sapply(data, class), collapse = ' '), w = data$t"))
    body = b'[{"i":1,"d":0.5,"t":"x"},{"i":2,"d":1.5,"t":null}]'
    payload = Payload(body, media_type="application/json", parameters={"orient": "records"})
    assert shown(model, payload) == ["integer numeric character"] * 2


@pytest.mark.parametrize("names", [None, ("a", "b")])
def test_sparse_data_reach_r_as_a_sparse_matrix(names, load, tmp_path):
    mmwrite(tmp_path / "x.mtx", coo_matrix([[0, 1.5], [2, 0], [0, 0]]))
    code = SHOW.format(
        "s = Matrix::rowSums(data), c = is(data, 'dgCMatrix'), n = toString(colnames(data))"
    )
    payload = Payload((tmp_path / "x.mtx").read_bytes(), media_type="text/mtx", column_names=names)
    extra = load(code).predict(payload).extra
    assert extra is not None
    assert extra["s"].tolist() == [1.5, 2, 0]
    assert extra["c"].all()
    assert set(extra["n"]) == {"" if names is None else "a, b"}


def test_rows_that_were_read_here_can_be_predicted(load):
    model = load(SHOW.format("v = data$a"))
    frame = pd.DataFrame({"a": pd.Series(["x", None], dtype=object)})
    extra = model.predict_table(frame, None).extra
    assert extra is not None
    assert extra["v"].tolist() == ["x", None]


EXTRA = """
score <- function(data, model, kwargs) {
  data.frame(n = c(1L, NA), l = c(NA, TRUE), f = factor(c('u', NA)),
             d = as.Date(c('2020-01-02', NA)),
             t = as.POSIXct('2020-01-02 03:04:05', tz = 'UTC'), x = c(NaN, Inf), s = c('', NA),
             Predictions = c(0.1, 1/3), e = I(c('a', 'b')))
}
"""


def test_columns_of_every_kind_come_back(load):
    predictions = load(LOADS + EXTRA).predict(csv("a\n1\n2\n"))
    assert predictions.frame["Predictions"].tolist() == [0.1, 1 / 3]
    extra = predictions.extra
    assert extra is not None
    second = {name: None if pd.isna(value) else value for name, value in extra.iloc[1].items()}
    assert extra.iloc[0]["n"] == 1
    assert extra.iloc[0]["s"] == ""
    assert extra.iloc[0]["t"] == "2020-01-02 03:04:05"
    assert second == {
        **dict.fromkeys("nfds"),
        "l": True,
        "t": "2020-01-02 03:04:05",
        "x": np.inf,
        "e": "b",
    }


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        (
            "stop('no \"way\"\\n☃')",
            HookError,
            'score\' hook failed to make predictions. Exception: no "way"\n☃',
        ),
        ("log('x')", HookError, "non-numeric argument"),
        ("1", InvalidOutput, "score must return a dataframe, but received numeric"),
        ("data.frame(Predictions = I(list(1)))", InvalidOutput, "holds a AsIs; return numbers"),
        ("data.frame(Predictions = 1:3)", InvalidOutput, "3 predictions for 1 input rows"),
        ("data.frame(Predictions = 'x')", InvalidOutput, "could not convert"),
        ("data.frame(a = 1, b = 2)", InvalidOutput, "no column"),
        ("(function(n) sys.function()(n + 1))(1)", HookError, "score' hook failed"),
    ],
)
def test_faults_of_a_hook_are_told_and_the_process_lives(body, error, said, load):
    model = load(
        f"{LOADS}score <- function(data, model, kwargs) if (data$a < 0) {{ {body} }} else data"
    )
    with pytest.raises(error) as caught:
        model.predict(csv("a\n-1\n"))
    assert said in str(caught.value)
    assert model.predict(csv("a\n4\n")).frame["Predictions"].tolist() == [4]


def test_error_log_shows_where_the_hook_failed(load, caplog):
    code = "helper <- function(n) stop('deep down')\nscore <- function(data, model) helper(1)\n"
    with pytest.raises(HookError):
        load(LOADS + code).predict(csv("a\n1\n"))
    lines: list[str] = []
    deadline = time.monotonic() + 20
    while "R:   at helper(1)" not in lines and time.monotonic() < deadline:
        time.sleep(0.02)
        lines = [record.getMessage() for record in caplog.records]
    assert "R: error in score: deep down" in lines
    assert "R:   at helper(1)" in lines
    assert not [line for line in lines if "tryCatch" in line]


def test_quit_in_a_hook_fails_one_request(load):
    model = load(
        f"{LOADS}score <- function(data, model) if (data$a < 0) quit(status = 7) else data"
    )
    with pytest.raises(ChildDied, match="exit code 7"):
        model.predict(csv("a\n-1\n"))
    assert model.predict(csv("a\n4\n")).frame["Predictions"].tolist() == [4]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("score <- function(data, model) data", "Could not find model artifact file"),
        (
            "init <- function(code_dir) stop('bad start')",
            "'init' hook failed. Exception: bad start",
        ),
        (
            "load_model <- function(code_dir) stop('no file')",
            "failed to load the model. Exception: no file",
        ),
        ("this is no R", "Failed loading hooks from custom.R"),
        ("library(nowhere)", "there is no package called"),
        ("quit(status = 9)", "exit code 9"),
        ("cat('last words\\n'); quit(status = 9)", "last words"),
    ],
)
def test_folder_that_cannot_be_loaded_says_why(code, said, load):
    with pytest.raises(StartupError) as caught:
        load(code)
    assert said in str(caught.value)
    assert "rpy2" in str(caught.value)


def test_broken_or_second_artifact_is_an_error(load, tmp_path):
    (tmp_path / "a.rds").write_bytes(b"no rds")
    with pytest.raises(StartupError, match="Could not load model from the artifact file"):
        load("")
    (tmp_path / "b.RDS").write_bytes(b"")
    with pytest.raises(StartupError, match=r"(?s)Multiple serialized.*a\.rds \| .*b\.RDS"):
        load("")


def test_load_model_that_returns_null_falls_back_to_the_artifact(load, tmp_path):
    rds(tmp_path, "lm(y ~ x, data.frame(x = 1:3, y = c(2, 4, 6)))")
    model = load("load_model <- function(code_dir) NULL")
    assert model.predict(csv("x\n5\n")).frame["Predictions"].tolist() == pytest.approx([10])


GLM = (
    "suppressWarnings(glm({}, binomial, data.frame(x = c(1, 2, 3, 4, 2.5), y = c(0, 0, 1, 1, 1))))"
)


@pytest.mark.parametrize(
    ("response", "labels", "of_class_one"),
    [
        pytest.param("y ~ x", ("good", "bad"), "good", id="unknown-labels-positive"),
        pytest.param("y ~ x", ("0", "1"), "1", id="numbers"),
        pytest.param("I(y == 1) ~ x", ("False", "True"), "True", id="logical"),
        pytest.param("factor(c('n', 'p')[y + 1]) ~ x", ("n", "p"), "p", id="levels"),
        pytest.param("factor(c('a b', 'a/c')[y + 1]) ~ x", ("a b", "a/c"), "a/c", id="odd-levels"),
    ],
)
def test_probability_of_a_glm_belongs_to_its_second_class(
    response, labels, of_class_one, load, tmp_path
):
    rds(tmp_path, GLM.format(response))
    spec = {"positive_class_label": labels[0], "negative_class_label": labels[1]}
    frame = load("", "binary", **spec).predict(csv("x\n100\n")).frame
    assert frame[of_class_one].tolist() == pytest.approx([1])


def test_names_that_r_has_changed_match_their_labels(load):
    code = (
        LOADS + "score <- function(data, model, kwargs) data.frame(X1 = 0.2, b.c = 0.5, X.x = 0.3)"
    )
    frame = load(code, "multiclass", class_labels=("b/c", "1.0", "-x")).predict(csv("a\n1\n")).frame
    assert frame.to_dict("records") == [{"1.0": 0.2, "b/c": 0.5, "-x": 0.3}]


def test_binary_hooks_get_their_labels_and_post_process_checked_predictions(load):
    code = LOADS + (
        "score <- function(data, model, kwargs) {\n"
        "  stopifnot(kwargs$positive_class_label == 'yes', kwargs$negative_class_label == 'no')\n"
        "  data.frame(no = 0.25, yes = 0.75, why = 'x') }\n"
        "post_process <- function(predictions, model) {\n"
        "  stopifnot(identical(names(predictions), c('no', 'yes')))\n"
        "  data.frame(yes = predictions$no, no = predictions$yes) }\n"
    )
    predictions = load(code, "binary", **BINARY).predict(csv("a\n1\n"))
    assert predictions.frame.to_dict("records") == [{"yes": 0.25, "no": 0.75}]
    assert predictions.extra is not None


@pytest.mark.parametrize("body", ["1", "data.frame(no = 1)", "data.frame(no = 2, yes = -1)"])
def test_output_of_post_process_is_checked(body, load):
    code = LOADS + (
        "score <- function(data, model) data.frame(no = 0.25, yes = 0.75)\n"
        f"post_process <- function(predictions, model) {body}\n"
    )
    with pytest.raises(InvalidOutput):
        load(code, "binary", **BINARY).predict(csv("a\n1\n"))


UNSTRUCTURED = (
    LOADS
    + """
score_unstructured <- function(model, data, query, ...) {
  more <- list(...)
  if (is.raw(data)) return(rev(data))
  switch(data, null = NULL, number = 1,
         pair = list('é', list(mimetype = 'text/html', charset = 'latin1')),
         triple = list(1, 2, 3), two = c('a', 'b'), stop = stop('no'),
         paste(toupper(data), more$mimetype, more$charset, query$q, more$headers$Host))
}
"""
)


@pytest.mark.parametrize(
    ("data", "mimetype", "body", "content_type"),
    [
        (b"null", None, b"", "text/plain; charset=utf-8"),
        (b"pair", None, "é".encode("latin1"), "text/html; charset=latin1"),
        (bytes([1, 0, 2]), "application/x", bytes([2, 0, 1]), "application/octet-stream"),
        (b"", "application/x", b"", "application/octet-stream"),
        (
            'é \\ "'.encode(),
            None,
            'É \\ " text/plain utf-8 a"b☃ h'.encode(),
            "text/plain; charset=utf-8",
        ),
    ],
)
def test_unstructured_hook_answers(data, mimetype, body, content_type, load):
    model = load(UNSTRUCTURED, "unstructured")
    reply = model.predict_unstructured(data, mimetype, None, {"q": 'a"b☃'}, {"Host": "h"})
    assert (reply.encoded(), reply.content_type) == (body, content_type)


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (b"number", InvalidOutput, "received numeric of length 1"),
        (b"two", InvalidOutput, "received character of length 2"),
        (b"triple", InvalidOutput, "length = 3"),
        (b"stop", HookError, "^no$"),
        (b"\0", MalformedRequest, "NUL"),
    ],
)
def test_unstructured_faults_are_told(data, error, said, load):
    with pytest.raises(error, match=said):
        load(UNSTRUCTURED, "unstructured").predict_unstructured(data, None, None, {}, None)


@pytest.mark.parametrize("code", [LOADS, "score_unstructured <- function(model, data, ...) 1"])
def test_unstructured_model_needs_both_hooks(code, load):
    with pytest.raises(StartupError, match="In 'unstructured' mode hook"):
        load(code, "unstructured")


TRANSFORM = """
transform <- function(X, transformer, y) {
  if (!is.null(y)) X$y <- y[[1]]
  if (names(X)[[1]] == 'drop') X[-1, , drop = FALSE]
  else if (names(X)[[1]] == 'sparse') Matrix::Matrix(as.matrix(X), sparse = TRUE)
  else X
}
"""


def test_transform_gets_the_target_and_returns_a_frame(load):
    frame = load(TRANSFORM, "transform").transform(csv("a\nx\nz\n"), pd.DataFrame({"t": [1, 2]}))
    assert frame.to_dict("list") == {"a": ["x", "z"], "y": [1, 2]}


def test_transform_may_return_a_sparse_matrix(load):
    frame = load(TRANSFORM, "transform").transform(csv("sparse,b\n0,1\n2,0\n"))
    assert isinstance(frame.dtypes["b"], pd.SparseDtype)
    assert frame.to_dict("list") == {"sparse": [0, 2], "b": [1, 0]}


def test_transform_must_keep_the_rows(load):
    with pytest.raises(InvalidOutput, match="different number of rows"):
        load(TRANSFORM, "transform").transform(csv("drop\n1\n2\n"))


def test_transform_needs_its_hook(load):
    with pytest.raises(StartupError, match="requires a user-defined transform hook"):
        load(LOADS, "transform")


FIT = """
fit <- function(X, y, output_dir, class_order, row_weights, parameters) {
  stopifnot(endsWith(output_dir, '/'), is.numeric(X$n), is.character(X$t), is.logical(X$l))
  saveRDS(list(y = y, weights = row_weights, order = class_order, parameters = parameters,
               random = runif(1)), paste0(output_dir, 'model.rds'))
}
load_model <- NULL
score <- function(data, model) data.frame(Predictions = c(
  sum(model$weights), length(model$order), model$parameters$depth, model$parameters$grid[[2]],
  model$random))
"""


def test_fit_hook_trains_what_the_folder_then_scores_with(load, tmp_path):
    (tmp_path / "custom.R").write_text(FIT)
    frame = pd.DataFrame({"n": [1, 2.5], "t": ["a", None], "l": [True, False]})
    r_fit.fit(
        code_dir=str(tmp_path),
        X=frame,
        y=pd.Series(["no", "yes"]),
        output_dir=str(tmp_path),
        class_order=["yes", "no"],
        row_weights=pd.Series([0.5, 2]),
        parameters={"depth": 3, "grid": [1, 7], "name": "x"},
    )
    predictions = load(FIT).predict(csv("a\n1\n2\n3\n4\n5\n")).frame["Predictions"]
    assert predictions.tolist() == pytest.approx([2.5, 2, 3, 7, 0.2655087], rel=1e-6)


SHOWS_X = """
transform <- function(X, model, y) { stopifnot(is.null(model), is.null(y)); X$n <- X$n * 10; X }
fit <- function(X, output_dir, ...) write(X$n, paste0(output_dir, 'n.txt'))
"""


@pytest.mark.parametrize(("transforms", "wanted"), [(True, "10 20"), (False, "1 2")])
def test_transform_hook_goes_before_fit_unless_it_is_what_is_trained(transforms, wanted, tmp_path):
    (tmp_path / "custom.R").write_text(SHOWS_X)
    r_fit.fit(
        code_dir=str(tmp_path),
        X=pd.DataFrame({"n": [1, 2]}),
        y=pd.Series([1, 2]),
        output_dir=str(tmp_path),
        transforms=transforms,
    )
    assert (tmp_path / "n.txt").read_text().strip() == wanted


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        (
            "transform <- function(X) 1\nfit <- function(...) 1",
            InvalidOutput,
            "must return a dataframe",
        ),
        (
            "fit <- function(X, y, ...) stop('no data')",
            HookError,
            "'fit' hook failed. Exception: no data",
        ),
        ("fit <- function(...) quit(status = 4)", ChildDied, "exit code 4"),
        ("f <- 1", StartupError, "fit\\(\\) method must be implemented"),
        ("f <-", StartupError, "Failed loading hooks"),
    ],
)
def test_training_that_fails_says_why(code, error, said, tmp_path):
    (tmp_path / "custom.R").write_text(code)
    with pytest.raises(DrumError, match=said) as caught:
        r_fit.fit(code_dir=str(tmp_path), X=pd.DataFrame({"a": [1]}), y=None, output_dir="/nowhere")
    assert isinstance(caught.value, error)


CRASHING = LOADS + (
    "score <- function(data, model) { if (data$a < 0) tools::pskill(Sys.getpid(), 9);"
    " if (data$a > 99) while (TRUE) {}; data }\n"
)


def test_crash_of_r_costs_one_answer_on_every_server_type(
    server_type, load, tmp_path, running_server
):
    (tmp_path / "custom.R").write_text(CRASHING)
    arguments = ("--target-type", "regression", "--language", "r")
    with running_server(tmp_path, *arguments, server_type=server_type) as server:
        crashed = server.post("/predict/", content=b"a\n-1\n")
        assert crashed.status_code == 500
        assert "signal SIGKILL" in crashed.json()["message"]
        assert server.post("/predict/", content=b"a\n4\n").json() == {"predictions": [4.0]}
        children = r_processes(server.process.pid)
        assert len(children) == 1
    assert psutil.wait_procs(children, 10)[1] == []


def test_r_ends_when_the_worker_is_killed_during_a_prediction(tmp_path, running_server):
    (tmp_path / "custom.R").write_text(CRASHING)
    env = {"DRUM_CLIENT_REQUEST_TIMEOUT": "1"}
    with running_server(tmp_path, "--target-type", "regression", env=env) as server:
        assert server.post("/predict/", content=b"a\n100\n").status_code == 504
        children = r_processes(server.process.pid)
        os.kill(server.process.pid, signal.SIGKILL)
        assert psutil.wait_procs(children, 10)[1] == []


def r_processes(pid: int) -> list[psutil.Process]:
    found = psutil.Process(pid).children(recursive=True)
    return [process for process in found if "r_worker.R" in " ".join(process.cmdline())]
