"""Secret texts never reach stdout, stderr or a log, however they are written."""

from __future__ import annotations

import io
import logging
import random
import sys

import pytest

from datarobot_drum.drum.observability.masking import (
    MaskedStream,
    Masker,
    mask_output,
    masked,
    stop_masking,
)

KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w\nAbCdEfGhIjKlMnOpQrStUv\n-----END KEY-----\n"


@pytest.fixture
def stdout(capsys):
    """Reads what got to stdout; masking of a test ends with it."""
    yield lambda: capsys.readouterr().out
    stop_masking()


def written(masker, *texts):
    """What a stream shows of several writes."""
    behind = io.StringIO()
    stream = MaskedStream(behind, masker)
    for text in texts:
        assert stream.write(text) == len(text)
    stream.release()
    return behind.getvalue()


@pytest.mark.parametrize(
    ("secrets", "text", "shown"),
    [
        (["sup3rs3cret"], "a sup3rs3cret b", "a ***** b"),
        (["token", "token-long"], "token-long token", "***** *****"),
        (["", "ab", "abc"], "a cab fabricates abc", "a cab fabricates abc"),
        ([], "anything", "anything"),
        (["a+b(c"], "x a+b(c y", "x ***** y"),
        (["line1\nline2"], "value 'line1\\nline2'", "value '*****'"),
        (['quo"te'], '{"k": "quo\\"te"}', '{"k": "*****"}'),
        ([KEY], "MIIEvQIBADANBgkqhkiG9w", "*****"),
        (["pässwört"], "pässwört", "*****"),
    ],
)
def test_text_is_masked(secrets, text, shown):
    assert Masker(secrets).masked(text) == shown
    assert written(Masker(secrets), text) == shown


@pytest.mark.parametrize(
    ("secrets", "texts", "shown"),
    [
        (["sup3rs3cret"], ("a sup3", "rs3c", "ret b"), "a ***** b"),
        (["sup3rs3cret"], tuple("x sup3rs3cret y"), "x ***** y"),
        (["sup3rs3cret"], ("a sup3", "r hero"), "a sup3r hero"),
        (["token", "token-long"], ("token", "-long"), "*****"),
        (["token", "token-long"], ("token", " and"), "***** and"),
        (["abcab"], ("xabcab", "y"), "x*****y"),
        ([KEY], tuple(KEY.splitlines(keepends=True)), "*****"),
    ],
)
def test_secret_in_pieces_is_masked(secrets, texts, shown):
    assert written(Masker(secrets), *texts) == shown


@pytest.mark.parametrize("seed", range(20))
def test_any_cut_shows_what_a_whole_write_shows(seed):
    chance = random.Random(seed)
    masker = Masker(["abab", "ababc", "cabab-x", "aaaa"])
    text = "".join(chance.choice("abc-x ") for _ in range(400))
    texts, rest = [], text
    while rest:
        cut = chance.randint(1, 7)
        texts.append(rest[:cut])
        rest = rest[cut:]
    shown = written(masker, *texts)
    assert not [secret for secret in ("abab", "aaaa") if secret in shown]


def test_flush_keeps_half_a_secret_back():
    behind = io.StringIO()
    stream = MaskedStream(behind, Masker(["sup3rs3cret"]))
    stream.write("a sup3r")
    stream.flush()
    assert behind.getvalue() == "a "
    stream.write("s3cret")
    assert behind.getvalue() == "a *****"


def test_stream_is_like_the_one_behind(tmp_path):
    with (tmp_path / "log").open("w", encoding="utf-8") as file:
        stream = MaskedStream(file, Masker(["secret"]))
        assert (stream.writable(), stream.isatty()) == (True, False)
        assert stream.fileno() == file.fileno()
        assert (stream.encoding, stream.name) == ("utf-8", file.name)
        stream.write("sec")
        stream.close()
        assert (stream.closed, file.closed) == (True, True)
        stream.release()
    assert (tmp_path / "log").read_text() == "sec"


def test_prints_are_masked_until_that_ends(stdout):
    mask_output(["sup3rs3cret"])
    sys.stdout.writelines(["one sup3rs", "3cret\n"])
    stop_masking()
    sys.stdout.write("two sup3rs3cret\n")
    assert stdout() == "one *****\ntwo sup3rs3cret\n"


def test_text_that_leaves_by_another_way_can_be_masked(stdout):
    assert masked("a sup3rs3cret") == "a sup3rs3cret"
    mask_output(["sup3rs3cret"])
    assert masked("a sup3rs3cret") == "a *****"


def test_masking_again_replaces_the_texts(stdout):
    mask_output(["first-secret"])
    mask_output(["second-secret"])
    sys.stdout.write("first-secret second-secret\n")
    assert stdout() == "first-secret *****\n"


def log_lines(logger_name="any"):
    """A logger and what its own handler, made before masking, has written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.Logger(logger_name)
    logger.addHandler(handler)
    return logger, stream


def test_log_lines_are_masked_in_every_handler(stdout):
    logger, stream = log_lines()
    mask_output(["sup3rs3cret"])
    logger.warning("message %s and %d", "sup3rs3cret", 7)
    logger.warning("stack", stack_info=True)
    try:
        raise ValueError("because of sup3rs3cret")
    except ValueError:
        logger.exception("it failed")
    text = stream.getvalue()
    assert "message ***** and 7" in text
    assert "ValueError: because of *****" in text
    assert "sup3rs3cret" not in text


def test_log_call_with_wrong_arguments_is_reported_as_ever(stdout, monkeypatch):
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    logger, _ = log_lines()
    mask_output(["sup3rs3cret"])
    logger.warning("%d", "sup3rs3cret")
    stop_masking()
    assert "--- Logging error ---" in stderr.getvalue()
    assert "Arguments: ('*****',)" in stderr.getvalue()
