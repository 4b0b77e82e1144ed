"""Structured predictions of each target type, numbers, extra columns and faulty answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.contract.cases import models
from tests.contract.cases.case import CSV, MULTIPART, Case, form, post, predict
from tests.contract.serving import Served

REGRESSION = models.REGRESSION
SCORE_FAILED = "Model 'score' hook failed to make predictions. Exception: "
UNCOUNTED = replace(REGRESSION, environment=(("DRUM_CHECK_ROW_COUNT", "false"),))


def _do(name: str, *values: float) -> bytes:
    lines = [f"{name},{value:g}\n" for value in values or (1, 2.5)]
    return ("do,v\n" + "".join(lines)).encode()


def _regression() -> Iterator[Case]:
    for name, gives in (
        ("double", [2.0, 5.0]),
        ("other name", [1.0, 2.5]),
        ("integers", [1.0, 2.0]),
        ("booleans", [0.0, 1.0]),
        ("texts of numbers", [1.0, 2.5]),
        ("missing", [None, None]),
        ("rows", [2.0, 2.0]),
    ):
        yield predict(f"regression: {name}", REGRESSION, _do(name), gives=gives)
    yield predict(
        "numbers keep ten decimals",
        REGRESSION,
        _do("thirds"),
        body_is=b'{"predictions":[0.3333333333,0.8333333333]}',
        content_type="application/json",
    )
    for name, message in (
        ("fail", f"{SCORE_FAILED}ValueError('the model is out of order')"),
        ("missing column", f"{SCORE_FAILED}KeyError('absent')"),
        ("nothing", "score must return a dataframe, but received <class 'NoneType'>"),
        ("list", "score must return a dataframe, but received <class 'list'>"),
        ("series", "score must return a dataframe, but received <class 'pandas.Series'>"),
        ("texts", "could not convert string to float: 'red'"),
        ("leave", "Model 'score' hook failed. Exception: SystemExit(7)"),
    ):
        yield predict(f"regression: {name}", REGRESSION, _do(name), status=500, message=message)
    yield predict(
        "regression: one too few",
        REGRESSION,
        _do("one too few"),
        status=500,
        says="returned 1 predictions for 2 input rows",
    )
    yield predict(
        "regression: one too few where that is allowed", UNCOUNTED, _do("one too few"), gives=[1.0]
    )
    yield predict(
        "regression: two unnamed columns",
        REGRESSION,
        _do("two unnamed"),
        status=500,
        says="no column ['Predictions'] among ['p', 'q']",
    )
    yield predict(
        "regression: refuse", REGRESSION, _do("refuse"), status=409, json={"message": "not today"}
    )


def _extra() -> Iterator[Case]:
    notes = {"columns": ["note", "rank"], "index": [0, 1], "data": [["n0", 0], ["n1", 1]]}
    for name in ("notes", "notes and index"):
        expected = {"predictions": [1.0, 2.5], "extraModelOutput": notes}
        yield predict(f"extra columns: {name}", REGRESSION, _do(name), json=expected)
    dates = {"columns": ["at"], "index": [0], "data": [[1614834367000]]}
    yield predict(
        "extra columns: dates are milliseconds",
        REGRESSION,
        _do("dates", 1),
        json={"predictions": [1.0], "extraModelOutput": dates},
    )
    keywords = "charset=None;mimetype=None;sparse_colnames=None;target_type=TargetType.REGRESSION"
    for id, body, type, text in (
        ("a form", form(("X", "x.csv", _do("keywords", 1))), MULTIPART, keywords),
        ("a body", _do("keywords", 1), CSV, keywords.replace("mimetype=None", "mimetype=text/csv")),
        (
            "a body with a charset",
            _do("keywords", 1),
            f"{CSV}; charset=utf-8",
            keywords.replace("mimetype=None", "mimetype=text/csv").replace("None", "utf-8", 1),
        ),
    ):
        extra = {"columns": ["keywords"], "index": [0], "data": [[text]]}
        yield predict(
            f"keywords of score for {id}",
            REGRESSION,
            body,
            type,
            json={"predictions": [1.0], "extraModelOutput": extra},
        )


def _other_targets() -> Iterator[Case]:
    yield predict("anomaly", models.ANOMALY, b"v\n1\n12\n", gives=[9.0, 2.0])
    yield predict(
        "anomaly of an estimator", models.ANOMALY_ESTIMATOR, b"v\n1\n-1\n", gives=[1.0, -1.0]
    )
    yield predict("estimator", models.ESTIMATOR, b"v,w\n1,2\n3,4\n", gives=[1.0, 3.0])
    yield predict(
        "estimator that fails",
        models.ESTIMATOR,
        b"bad\n1\n",
        status=500,
        message="Failure when making predictions. Exception: ValueError('a column named bad')",
    )
    points = ["POINT (1.5 2)", "POINT (3.0 4)"]
    yield predict("geopoint as text", models.GEOPOINT, b"lon,lat\n1.5,2\n3,4\n", gives=points)
    point = {"type": "Point", "coordinates": [1.5, 2.5]}
    yield predict(
        "geopoint as object", models.GEOPOINT, b"lon,lat,object\n1.5,2.5,1\n", gives=[point]
    )
    documents = ["The sun is a star.", None]
    yield predict("vector database", models.SEARCH, b"question\nsun\nmars\n", gives=documents)
    distances = {"columns": ["distance"], "index": [0], "data": [[0.5]]}
    yield predict(
        "vector database with distances",
        models.SEARCH,
        b"question,distances\nmoon,1\n",
        json={"predictions": ["The moon is a rock."], "extraModelOutput": distances},
    )
    yield predict("agent", models.AGENT, b"task\nwalk\n", gives=["do walk"])


def _text() -> Iterator[Case]:
    text = models.TEXT
    yield predict("text", text, b"promptText\nhi\nho\n", gives=["you said hi", "you said ho"])
    yield predict(
        "text is escaped",
        text,
        'promptText\n"\u2603 ""q"" /s"\n'.encode(),
        body_is=b'{"predictions":["you said \\u2603 \\"q\\" \\/s"]}',
    )
    yield predict("text may be null", text, b"promptText,silent\nhi,1\n", gives=[None])
    extra = {"columns": ["letters", "kind"], "index": [0], "data": [[11, "x"]]}
    for served, name in ((text, "plain"), (models.TEXT_QUOTED, "quoted")):
        yield predict(
            f"text with extra columns, target name {name}",
            served,
            b"promptText,count\nhi,1\n",
            json={"predictions": ["you said hi"], "extraModelOutput": extra},
        )
    yield predict(
        "text without its column", text, b"promptText,other\nhi,1\n", status=500, says="['reply']"
    )
    yield predict(
        "text of a failing hook",
        text,
        b"x\nhi\n",
        status=500,
        message=f"{SCORE_FAILED}KeyError('promptText')",
    )
    two = models.TEXT_TWO_ARGUMENTS
    yield predict("text without a score hook", two, b"x\n1\n", status=404, says="no score hook")


def _reading() -> Iterator[Case]:
    reading = models.READING
    for type in ("application/octet-stream", "application/json", "text/csv", None, "garbage"):
        yield predict(
            f"read_input_data of {type}", reading, b"1|2\n3|4\n", type, gives=[103.0, 107.0]
        )
    upload = form(("X", "x.json", b"1|2\n"))
    yield predict("read_input_data of a form", reading, upload, MULTIPART, gives=[103.0])
    encoded = "application/x-www-form-urlencoded"
    yield predict("read_input_data of a URL-encoded form", reading, b"1|2", encoded, gives=[103.0])
    for body, message in (
        (
            b"unreadable",
            (
                "Model 'read_input_data' hook failed to read input data. "
                "Exception: ValueError('not lines of numbers')"
            ),
        ),
        (b"list|1", "transform must return a dataframe, but received <class 'list'>"),
        (
            b"-3|2",
            (
                "Model 'post_process' hook failed to post-process predictions. "
                "Exception: KeyError('no shift')"
            ),
        ),
        (b"-4|2", "Output of post_process hook must be a dataframe, not a <class 'numpy.ndarray'>"),
    ):
        yield predict(
            f"reading model gets {body.decode()}", reading, body, status=500, message=message
        )
    yield predict(
        "transform hook that fails",
        reading,
        b"a|b",
        status=500,
        says="Model 'transform hook' failed to transform dataset. Exception: ValueError(",
    )


def _wrong_routes() -> Iterator[Case]:
    structured = (
        ("REGRESSION", models.LINEAR),
        ("BINARY", models.BINARY),
        ("MULTICLASS", models.MULTICLASS),
        ("MULTILABEL", models.MULTILABEL),
        ("ANOMALY", models.ANOMALY),
        ("GEO_POINT", models.GEOPOINT),
        ("VECTOR_DATABASE", models.SEARCH),
        ("AGENTIC_WORKFLOW", models.AGENT),
        ("TEXT_GENERATION", models.TEXT_PLAIN),
    )
    for name, served in structured:
        start = f"This model has target type TargetType.{name}, use "
        for path, end in (
            ("/transform/", "the /predict/ endpoint."),
            ("/predictUnstructured/", "either /predict/ or /predictions/ endpoint."),
            ("/predictionsUnstructured/", "either /predict/ or /predictions/ endpoint."),
        ):
            yield _wrong(served, path, start + end)
    for path in ("/predict/", "/predictions/", "/invocations"):
        message = "This model has target type 'transform', use the /transform/ endpoint."
        yield _wrong(models.TRANSFORM, path, message)
        message = (
            "This model has target type 'unstructured', use the /predictUnstructured/ or "
            "/predictionsUnstructured/ endpoint."
        )
        yield _wrong(models.UNSTRUCTURED, path, message)
    start = "This model has target type TargetType"
    message = f"{start}.UNSTRUCTURED, use the /predictUnstructured/ endpoint."
    yield _wrong(models.UNSTRUCTURED, "/transform/", message)
    message = f"{start}.TRANSFORM, use either /predict/ or /predictions/ endpoint."
    yield _wrong(models.TRANSFORM, "/predictUnstructured/", message)
    yield post(
        "the route is checked before the body",
        models.UNSTRUCTURED,
        "/predict/",
        b"",
        status=422,
        says="use the /predictUnstructured/",
    )


def _wrong(served: Served, path: str, message: str) -> Case:
    return post(
        f"{served.target} refuses {path}", served, path, b"a\n1\n", status=422, message=message
    )


CASES = (
    *_regression(),
    *_extra(),
    *_other_targets(),
    *_text(),
    *_reading(),
    *_wrong_routes(),
)
