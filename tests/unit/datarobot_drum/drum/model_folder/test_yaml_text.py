"""The two readings of YAML."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.model_folder.yaml_text import read_as_text, read_typed


def test_typed_reading_has_numbers_booleans_and_nulls_but_no_dates():
    content = "[1, 2.5, yes, ~, 2030-01-01, 2030-99-99, text]"
    assert read_typed(content) == [1, 2.5, True, None, "2030-01-01", "2030-99-99", "text"]


def test_text_reading_keeps_what_was_written():
    content = "[1.0, yes, ~, 0x1F, 2030-01-01, '', text]"
    assert read_as_text(content) == ["1.0", "yes", "~", "0x1F", "2030-01-01", "", "text"]


@pytest.mark.parametrize("read", [read_typed, read_as_text])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\na: 2\n", "duplicate key 'a' in line 2"),
        ("a: [\n", "in line 2"),
        ("a: !python/name:os.system\n", "could not determine a constructor for the tag"),
        ("a: \0", "special characters are not allowed"),
    ],
)
def test_fault_is_a_value_error_with_the_line(read, content, message):
    with pytest.raises(ValueError, match=message):
        read(content)


def test_keys_of_a_merged_mapping_may_be_overwritten():
    content = "base: &b {x: 1, y: 1}\nown: {<<: *b, y: 2}\n"
    assert read_typed(content)["own"] == {"x": 1, "y": 2}
