# SPDX-License-Identifier: GPL-3.0-or-later
"""What a SARIF file has to be: the structure of SARIF 2.1.0, as far as we use it and with nothing beside it, and GitHub's own rules.

https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support-for-code-scanning says which properties code
scanning requires, how long they may be and how many there may be."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema

LEVELS = {"none", "note", "warning", "error"}
TEXT = {"type": "string", "minLength": 1}
LEVEL = {"enum": sorted(LEVELS)}
INDEX = {"type": "integer", "minimum": 1}


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {**required, **optional}, "required": list(required), "additionalProperties": False}


def _list(items: Any, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


MESSAGE = _object({"text": TEXT}, markdown=TEXT)
RULE = _object(
    {"id": TEXT},
    name=TEXT,
    shortDescription=MESSAGE,
    fullDescription=MESSAGE,
    help=MESSAGE,
    helpUri={"type": "string", "format": "uri"},
    defaultConfiguration=_object({}, level=LEVEL),
    properties={"type": "object", "properties": {"tags": _list(TEXT, uniqueItems=True)}},
)
REGION = _object({}, startLine=INDEX, startColumn=INDEX, endLine=INDEX, endColumn=INDEX)
LOCATION = _object(
    {},
    physicalLocation=_object({"artifactLocation": _object({}, uri=TEXT, uriBaseId=TEXT)}, region=REGION),
    logicalLocations=_list(_object({}, fullyQualifiedName=TEXT, kind=TEXT), uniqueItems=True),
)
RESULT = _object(
    {"message": MESSAGE},
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": -1},
    level=LEVEL,
    locations=_list(LOCATION),
    partialFingerprints={"type": "object", "additionalProperties": {"type": "string"}},
)
DRIVER = _object({"name": TEXT}, version=TEXT, semanticVersion=TEXT, informationUri=TEXT, rules=_list(RULE, uniqueItems=True))
NOTIFICATION = _object({"message": MESSAGE}, level=LEVEL)
INVOCATION = _object(
    {"executionSuccessful": {"type": "boolean"}}, endTimeUtc={"type": "string"}, toolExecutionNotifications=_list(NOTIFICATION)
)
RUN = _object(
    {"tool": _object({"driver": DRIVER})},
    automationDetails=_object({}, id=TEXT),
    invocations=_list(INVOCATION),
    results=_list(RESULT),
)
SCHEMA = _object({"version": {"const": "2.1.0"}, "runs": _list(RUN, minItems=1)}, **{"$schema": {"type": "string", "format": "uri"}})


def faults(text: str) -> list[str]:
    """Why GitHub would refuse the file, or show less of it than there is."""
    document = json.loads(text)
    found = [f"{error.json_path}: {error.message[:200]}" for error in jsonschema.Draft7Validator(SCHEMA).iter_errors(document)]
    return found or [*_file(text, document), *(fault for run in document["runs"] for fault in _run(run))]


def _file(text: str, document: dict[str, Any]) -> Iterator[str]:
    if len(gzip.compress(text.encode())) > 10_000_000:
        yield "the file has more than 10 MB when it is compressed"
    if "$schema" not in document:
        yield "$schema is missing"
    categories = [run.get("automationDetails", {}).get("id", "").rpartition("/")[0] for run in document["runs"]]
    if len(document["runs"]) > 20 or len(set(categories)) < len(categories) or not all(categories):
        yield "a file has at most 20 runs, each with a category of its own"


def _run(run: dict[str, Any]) -> Iterator[str]:
    driver, results = run["tool"]["driver"], run.get("results")
    rules = driver.get("rules")
    if rules is None or results is None:
        yield "rules and results are required"
        return
    if len(results) > 25_000 or len(rules) > 25_000:
        yield "more than 25,000 results or rules"
    if not re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", driver.get("semanticVersion", "")):
        yield "semanticVersion is no semantic version"
    if len({rule["id"] for rule in rules}) < len(rules):
        yield "two rules have one id"
    for rule in rules:
        yield from (f"rule {rule['id']}: {fault}" for fault in _rule(rule))
    for number, result in enumerate(results):
        yield from (f"result {number}: {fault}" for fault in _result(result, rules))
    keys = list(filter(None, map(_alert, results)))
    if len(set(keys)) < len(keys):
        yield "two results are one alert: the same rule, file and fingerprint"


def _rule(rule: dict[str, Any]) -> Iterator[str]:
    if len(rule.get("name", "")) > 255:
        yield "its name has more than 255 characters"
    for name in ("shortDescription", "fullDescription"):
        if not 0 < len(rule.get(name, {}).get("text", "")) <= 1024:
            yield f"{name} has none or more than 1024 characters"
    if not rule.get("help", {}).get("text"):
        yield "help.text is required"
    properties = rule.get("properties", {})
    if rule.get("defaultConfiguration", {}).get("level") not in LEVELS - {"none"}:
        yield "defaultConfiguration.level is none of note, warning and error"
    if len(properties.get("tags", [])) > 10:
        yield "only 10 tags are shown"
    if properties.get("precision") not in {"very-high", "high", "medium", "low"}:
        yield "no such precision"
    if properties.get("problem.severity") not in {"error", "warning", "recommendation"}:
        yield "no such problem.severity"


def _result(result: dict[str, Any], rules: list[dict[str, Any]]) -> Iterator[str]:
    index = result.get("ruleIndex", -1)
    if not 0 <= index < len(rules) or rules[index]["id"] != result.get("ruleId"):
        yield "its rule is not among the rules"
    if not result.get("partialFingerprints", {}).get("primaryLocationLineHash"):
        yield "partialFingerprints.primaryLocationLineHash is the one that counts"
    locations = result.get("locations", [])
    if not 1 <= len(locations) <= 10:
        yield "1 to 10 locations are shown"
    for location in locations:
        yield from _location(location)


def _location(location: dict[str, Any]) -> Iterator[str]:
    physical = location.get("physicalLocation")
    if not physical:
        yield "a location has to be physical"
        return
    uri, region = physical["artifactLocation"].get("uri", ""), physical.get("region", {})
    parts = urlsplit(uri)
    steps = unquote(parts.path).split("/")
    if not uri or parts.scheme or parts.netloc or parts.query or parts.fragment or parts.path.startswith("/"):
        yield f"{uri!r} is not relative"
    if {"", ".", ".."} & set(parts.path.split("/")) or not re.fullmatch(r"[A-Za-z0-9._~/%!$&'()*+,;=:@-]+", uri) or not all(steps):
        yield f"{uri!r} is no path below the top of a repository"
    if set(region) != {"startLine", "startColumn", "endLine", "endColumn"}:
        yield "all four numbers of the region are required"
    elif (region["endLine"], region["endColumn"]) <= (region["startLine"], region["startColumn"]):
        yield "the region ends before it begins"


def _alert(result: dict[str, Any]) -> tuple[str, str, str] | None:
    """What makes two results one; None where that cannot be said."""
    where = [
        location["physicalLocation"]["artifactLocation"]["uri"]
        for location in result.get("locations", [])
        if "physicalLocation" in location
    ]
    known = result.get("partialFingerprints", {}).get("primaryLocationLineHash")
    return (result.get("ruleId", ""), where[0], known) if where and known else None
