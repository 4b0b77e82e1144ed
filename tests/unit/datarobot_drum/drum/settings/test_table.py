"""The values of settings, from their sources to their checks."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.enum import ServerType
from datarobot_drum.drum.errors import UsageError
from datarobot_drum.drum.settings import Settings


def load(**environ):
    return Settings.load(environ)


@pytest.fixture
def certificate(tmp_path):
    path = tmp_path / "cert.pem"
    path.write_text("a certificate")
    return str(path)


def test_settings_have_the_documented_defaults():
    settings = Settings.load({})
    assert settings == Settings()
    assert (settings.server_type, settings.workers, settings.url_prefix) == (None, 1, "")
    assert (settings.request_timeout, settings.max_upload_size) == (600, 1024**3)
    assert (settings.keep_alive, settings.graceful_timeout) == (75, 299)
    assert (settings.executor_workers, settings.queue_depth, settings.queue_timeout) == (1, 100, 30)
    assert (settings.gunicorn_worker_class, settings.gunicorn_threads) == ("gthread", 8)
    assert settings.check_row_count
    assert not settings.cors_enabled


def test_settings_read_the_environment_of_the_process(monkeypatch):
    monkeypatch.setenv("LLM_ID", "my-llm")
    assert Settings.load().llm_id == "my-llm"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flask", ServerType.FLASK),
        ("Werkzeug", ServerType.FLASK),
        ("GUNICORN", ServerType.GUNICORN),
        (" fastapi ", ServerType.FASTAPI),
        ("uvicorn", ServerType.FASTAPI),
    ],
)
def test_server_type_is_read_in_any_case_and_by_its_aliases(text, expected):
    assert load(DRUM_SERVER_TYPE=text).server_type is expected


def test_server_type_that_is_unknown_stops_with_the_valid_names():
    with pytest.raises(UsageError, match="use one of flask, gunicorn, fastapi, werkzeug, uvicorn"):
        load(DRUM_SERVER_TYPE="tomcat")


@pytest.mark.parametrize("text", ["true", "1", "yes", "ON", "True"])
def test_boolean_is_true_for(text):
    assert load(DRUM_FASTAPI_ENABLE_DOCS=text).enable_docs is True


@pytest.mark.parametrize("text", ["false", "0", "no", "off", "FALSE"])
def test_boolean_is_false_for(text):
    assert load(DRUM_CHECK_ROW_COUNT=text).check_row_count is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ""), ("/", ""), ("abc", "/abc"), ("/abc/", "/abc"), ("//a//b-1._~/", "/a/b-1._~")],
)
def test_url_prefix_starts_with_a_slash_and_ends_without(text, expected):
    assert load(URL_PREFIX=text).url_prefix == expected


@pytest.mark.parametrize("text", ["/a b", "/ä", "/a?b", "/a/../b", ".", "/%2e"])
def test_url_prefix_with_other_characters_stops(text):
    with pytest.raises(UsageError, match="URL_PREFIX has the bad value .*only letters, digits"):
        load(URL_PREFIX=text)


def test_cors_lists_are_read_and_spelled_as_browsers_do():
    settings = load(
        DRUM_CORS_ENABLED="true",
        DRUM_CORS_ORIGINS="https://Example.com, http://[::1]:8080 ,*,*",
        DRUM_CORS_METHODS="get,post",
        DRUM_CORS_HEADERS="X-Auth,",
    )
    assert settings.cors_origins == ("https://example.com", "http://[::1]:8080", "*")
    assert (settings.cors_methods, settings.cors_headers) == (("GET", "POST"), ("X-Auth",))


@pytest.mark.parametrize("text", ["example.com", "https://a.b/path", "null", "ftp://a.b"])
def test_cors_origin_that_no_browser_sends_stops(text):
    with pytest.raises(UsageError, match="DRUM_CORS_ORIGINS has the bad value .* is no origin"):
        load(DRUM_CORS_ORIGINS=text)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"DRUM_CORS_ENABLED": "maybe"}, "DRUM_CORS_ENABLED has the bad value 'maybe': use true"),
        ({"DRUM_CORS_ENABLED": "on"}, "DRUM_CORS_ENABLED needs DRUM_CORS_ORIGINS"),
        ({"DRUM_CORS_METHODS": "G T"}, "'G T' is no name"),
        ({"DRUM_SSL_CERTFILE": "/no/such"}, "DRUM_SSL_CERTFILE .* no such file"),
        ({"DRUM_SSL_CERT_REQS": "3"}, "whole number from 0 to 2"),
        ({"DRUM_SSL_CERT_REQS": "2"}, "needs DRUM_SSL_CA_CERTS"),
        ({"DRUM_FASTAPI_MAX_UPLOAD_SIZE": "1GB"}, "use a whole number from 0 up"),
        ({"DRUM_FASTAPI_MAX_UPLOAD_SIZE": "-1"}, "use a whole number from 0 up"),
        ({"CUSTOM_MODEL_WORKERS": "many"}, "CUSTOM_MODEL_WORKERS .*'many': use a whole number"),
        ({"MLOPS_RUNTIME_PARAM_LLM_ID": '{"type'}, "MLOPS_RUNTIME_PARAM_LLM_ID"),
    ],
)
def test_value_that_makes_a_start_impossible_stops_with_one_line(environ, message):
    with pytest.raises(UsageError, match=message) as caught:
        Settings.load(environ)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_tls_files_are_taken_when_they_can_be_read(certificate):
    settings = load(DRUM_SSL_CERTFILE=certificate, DRUM_SSL_KEYFILE=certificate)
    assert (settings.ssl_certfile, settings.ssl_keyfile) == (certificate, certificate)


def test_tls_file_without_permission_stops(certificate, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(UsageError, match="cannot be read"):
        load(DRUM_SSL_CERTFILE=certificate)


def test_tls_key_without_a_certificate_stops(certificate):
    with pytest.raises(UsageError, match="TLS needs DRUM_SSL_CERTFILE"):
        load(DRUM_SSL_KEYFILE=certificate)


def test_key_password_is_never_shown():
    settings = load(DRUM_SSL_KEYFILE_PASSWORD="s3cret")
    assert settings.ssl_keyfile_password == "s3cret"
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert "s3cret" not in text
        assert "password" not in text


def test_key_password_that_is_no_text_stops_without_showing_it():
    text = '{"type": "credential", "payload": {"credentialType": "basic", "password": "s3cret"}}'
    with pytest.raises(UsageError, match=r"DRUM_SSL_KEYFILE_PASSWORD .*\(not shown\)") as caught:
        Settings.load({"MLOPS_RUNTIME_PARAM_DRUM_SSL_KEYFILE_PASSWORD": text})
    assert "s3cret" not in str(caught.value)


def test_settings_accept_values_of_their_own_types():
    settings = Settings(server_type=ServerType.FLASK, url_prefix="/a", cors_origins=("*",))
    assert (settings.server_type, settings.cors_origins) == (ServerType.FLASK, ("*",))


@pytest.mark.parametrize("values", [{"url_prefix": 1}, {"cors_origins": 1}, {"uvicorn_loop": 1}])
def test_settings_refuse_values_of_other_types(values):
    with pytest.raises(ValueError, match="validation error"):
        Settings(**values)
