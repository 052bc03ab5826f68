# SPDX-License-Identifier: GPL-3.0-or-later
"""Each numbered fact of Istio's meaning is cited by a test, by its number in the test's name, in a row's id or in a docstring."""

from __future__ import annotations

import re
from pathlib import Path

UNIT = Path(__file__).resolve().parents[1]
FACTS = {str(number) for number in (*range(1, 68), *range(70, 90))} | {"6b"}
# What is no matter of the evaluator, and the test that has it.
ELSEWHERE = {
    "50": ("authorization/test_authorization_admission.py", "policy(*[{}] * 513)"),  # limits of the schema
    "58": ("access/test_access_verdict.py", "503 Service Unavailable"),  # a DestinationRule against STRICT is no denial
    "60": ("access/test_access_verdict.py", "401 Unauthorized"),  # keys that cannot be fetched: 401 for every token
    "66": ("checks/cases/authorization.yml", "ZtunnelAccepted"),  # the status
    "67": ("access/test_access_verdict.py", "def test_policies_of_a_dump"),  # policies to wait for in the proxies
}
_WORDS = re.compile(r"def test_((?:\d+b?_(?:to_|and_)?)+)|id=\"((?:\d+b?(?: and)? )+)|[Ff]acts? ((?:\d+b?(?:, | and | to )?)+)")


def cited(text: str) -> set[str]:
    """The numbers, with those between `A to B`."""
    found: set[str] = set()
    for words in (next(filter(None, match.groups())) for match in _WORDS.finditer(text)):
        numbers = re.findall(r"\d+b?", words)
        found |= set(numbers)
        for first, last in re.findall(r"(\d+)[_ ]to[_ ](\d+)", words):
            found |= {str(number) for number in range(int(first), int(last) + 1)}
    return found


def test_how_numbers_are_found() -> None:
    assert cited("def test_21_to_23_and_72_callers()") == {"21", "22", "23", "72"}
    assert cited('id="33 and 81 with the port"') == {"33", "81"} and cited('"""Facts 11 to 13, 53."""') == {"11", "12", "13", "53"}
    assert cited("def test_6b_and_89_x") == {"6b", "89"} and cited("def test_a_401_is()") == set()


def test_every_fact_has_a_test() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (UNIT / "authorization").glob("test_*.py") if path.name != Path(__file__).name]
    found = set().union(*(cited(text) for text in texts))
    assert sorted(FACTS - found - ELSEWHERE.keys(), key=lambda fact: (int(fact.rstrip("b")), fact)) == []
    for fact, (where, text) in ELSEWHERE.items():
        assert text in (UNIT / where).read_text(encoding="utf-8"), f"fact {fact}"
