"""The rows from which the reference page of the settings is written."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.settings import SettingRow, Settings, setting_rows

ROWS = {row.name: row for row in setting_rows()}


def test_every_setting_has_a_row_with_a_sentence():
    assert list(ROWS) == list(Settings.model_fields)
    assert all(row.doc.endswith(".") for row in ROWS.values())


def test_row_tells_everything_about_a_setting():
    assert ROWS["workers"] == SettingRow(
        name="workers",
        parameter="CUSTOM_MODEL_WORKERS",
        aliases=("--max-workers", "MAX_WORKERS"),
        type="int",
        range="a whole number from 1 to 199",
        default="1",
        doc="Worker processes; each loads the model.",
    )


@pytest.mark.parametrize(
    ("name", "type_word", "range_words", "default"),
    [
        ("server_type", "choice", "one of flask, gunicorn, fastapi, werkzeug, uvicorn", ""),
        ("queue_timeout", "float", "a number above 0 to 3600", "30"),
        ("max_upload_size", "int", "a whole number from 0 up", "1073741824"),
        ("uvicorn_loop", "choice", "one of auto, asyncio, uvloop", "auto"),
        ("enable_docs", "bool", "true or false", "false"),
        ("cors_methods", "list", "a list separated by commas", "GET,POST,OPTIONS"),
        ("ssl_certfile", "text", "text", ""),
    ],
)
def test_row_has_words_for_every_kind_of_setting(name, type_word, range_words, default):
    row = ROWS[name]
    assert (row.type, row.range, row.default) == (type_word, range_words, default)
