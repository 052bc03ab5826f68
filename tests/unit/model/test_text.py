# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of others in a line of ours: no control, no line of its own, no command for a CI system."""

from __future__ import annotations

import json
import unicodedata

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._module import for_people
from ansible_collections.meshops.mesh.plugins.module_utils._text import escaped_json, joined, shown, shown_data, shown_line, shown_lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("as it is: Kind ns/name, spiffe://td/ns/a/sa/b, ::1, [::]:80, a::b::c, √ inside, #1, ##, üñ 漢字 😀", None),
        ("Xü", None),
        ("a\nb", "a\\nb"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x1b]8;;http://x\x07y", "\\x1b]8;;http://x\\x07y"),
        ("\x9b31m", "\\x9b31m"),
        ("a\x85b\u2028c\u2029d", "a\\x85b\\u2028c\\u2029d"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("pay\u200bload\ufeff", "pay\\u200bload\\ufeff"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("a\0", "a\\x00"),
        ("\u3164\u2800\ufe0f", "\\u3164\\u2800\\ufe0f"),
        ("\xa0\xad", "\\xa0\\xad"),
        ("√ all good", "\\u221a all good"),
        ("  × no", "  \\xd7 no"),
        ("‼", "\\u203c"),
        ("· skipped", "\\xb7 skipped"),
        ("::error::x", ":\\:error::x"),
        ("  ::Warning file=a,line=1::x", "  :\\:Warning file=a,line=1::x"),
        ("x: ::set-output name=a::b", "x: :\\:set-output name=a::b"),
        ("::anything::", ":\\:anything::"),
        ("##vso[task.setvariable]x", "#\\#vso[task.setvariable]x"),
        ("x ##[error]y", "x #\\#[error]y"),
        ("###[group]", "##\\#[group]"),
        ("##teamcity[message]", "#\\#teamcity[message]"),
    ],
)
def test_a_part_of_a_line(text: str, expected: str | None) -> None:
    assert shown(text) == (text if expected is None else expected)
    assert shown(shown(text)) == shown(text), "once more changes nothing"


WORDS = (
    "add-mask add-matcher add-path debug echo endgroup error group notice remove-matcher save-state set-env set-output stop-commands "
    "warning"
)


@pytest.mark.parametrize("word", WORDS.split())
def test_no_command_acts_in_the_middle_of_a_line(word: str) -> None:
    assert shown(f"x ::{word} a=b::y") == f"x :\\:{word} a=b::y"
    assert shown(f"x ::{word.upper()}::y") == f"x :\\:{word.upper()}::y" and shown(f"x ::{word}") == f"x ::{word}"


def test_no_character_without_a_shape_is_left() -> None:
    found = shown("".join(map(chr, range(0x110000))))
    assert found.isprintable() and not {unicodedata.category(char) for char in found} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def test_lines_of_ours_stay_lines_and_their_marks_stay_marks() -> None:
    assert joined(["√ ours", "    data\n√ theirs"]) == "√ ours\n    data\\n√ theirs"
    assert shown_lines("a\n  b\x1b\n") == "a\n  b\\x1b\n" and shown_line("√ ours") == "√ ours"


def test_an_error_has_the_lines_that_we_gave_it() -> None:
    assert str(ConfigError("one", "- two\n- three")) == "one\n- two\\n- three"
    inner = ConfigError("a\x1bb")
    assert str(ConfigError(f"wrapped: {inner}")) == "wrapped: a\\x1bb"
    assert str(ConfigError()) == ""


def test_json_stays_the_same_data() -> None:
    data = {"a": ["\u202e", "\x9b", "\U000e0041", "ü", "line\n"], "b\u200b": 1}
    text = escaped_json(json.dumps(data, indent=1, ensure_ascii=False))
    assert json.loads(text) == data and text.replace("\n", "").isprintable() and "ü" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("\ud800", '"\\ud800"'),
        ("##[group]", '"\\u0023#[group]"'),
        ("::error::x", '"\\u003a:error::x"'),
        ("\U000e0041", '"\\udb40\\udc41"'),
        ("::1, a::b", '"::1, a::b"'),
    ],
)
def test_in_json_nothing_acts(value: str, text: str) -> None:
    assert escaped_json(json.dumps(value, ensure_ascii=False)) == text and json.loads(text) == value


def test_lines_of_a_document_are_the_document_s() -> None:
    assert shown_data("a: 1\n√ b\r\n\n  ##[group]") == "a: 1\n\\u221a b\\r\n\n  #\\#[group]"


def test_of_a_result_the_texts_for_people_are_cleaned_and_the_data_is_not() -> None:
    data = {"objects": [{"x": "\x1b"}], "n": 1}
    found = for_people({"msg": "a\nb\x1b", "diff": [{"before": "x\x9b", "after": ""}], "lines": ["\u202e"], **data})
    assert found == {"msg": "a\nb\\x1b", "diff": [{"before": "x\\x9b", "after": ""}], "lines": ["\\u202e"], **data}
