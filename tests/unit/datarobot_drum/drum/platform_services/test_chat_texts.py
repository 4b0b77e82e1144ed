"""The prompt and the answer are found in whatever form they come."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from datarobot_drum.drum.platform_services.chat_texts import answer_text, piece_text, prompt_text

IMAGE = {"type": "image_url", "image_url": {"url": "http://x/y.png"}}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("hi", "hi"),
        (["a", {"type": "text", "text": "b"}, {"type": "text", "text": "c"}], "b\nc"),
        ([{"type": "text", "text": "what is"}, IMAGE], "what is\nImage URL: http://x/y.png"),
        ([{"type": "image_url", "image_url": "u"}], "Image URL: u"),
        ([{"type": "text", "text": 5}, 7], ""),
        (None, ""),
        (5, ""),
    ],
)
def test_prompt_is_the_last_message(content, text):
    messages = [{"role": "user", "content": "earlier"}, {"role": "user", "content": content}]
    assert prompt_text({"messages": messages}) == text


@pytest.mark.parametrize("params", [{}, {"messages": []}, {"messages": "x"}, {"messages": [5]}])
def test_prompt_of_an_odd_request_is_empty(params):
    assert prompt_text(params) == ""


@pytest.mark.parametrize("choices", [None, [], "x", [None], [{}], [{"message": {"content": 5}}]])
def test_answer_without_text_is_empty(choices):
    assert answer_text({"choices": choices}) == ""


def test_piece_of_an_object_is_found():
    delta = SimpleNamespace(content="h")
    assert piece_text(SimpleNamespace(choices=[SimpleNamespace(delta=delta)])) == "h"
    assert piece_text(SimpleNamespace()) == ""
