# SPDX-License-Identifier: GPL-3.0-or-later
"""An example of each check for its page: the smallest pair of its cases, what the check says of it, and the limits that it asks for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import yaml
from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import CATALOGUE
from ansible_collections.meshops.mesh.plugins.module_utils._checks.types import THRESHOLDS, Options
from ansible_collections.meshops.mesh.plugins.module_utils._model.intent import Intent
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View
from checks.builder import CASES, NOW, bad_objects, build, cases, intent, snapshot

__all__ = ["Example", "example_of", "resource_of", "thresholds_of"]

Entry = Mapping[str, Any]

# The builder writes v1 everywhere, which checks do not read; people copy it.
VERSIONS = {
    "BackendTLSPolicy": "v1alpha3",
    "CatalogSource": "v1alpha1",
    "ClusterServiceVersion": "v1alpha1",
    "EnvoyFilter": "v1alpha3",
    "InferencePool": "v1alpha2",
    "InstallPlan": "v1alpha1",
    "IstioCSR": "v1alpha1",
    "IstioOperator": "v1alpha1",
    "Kiali": "v1alpha1",
    "OpenTelemetryCollector": "v1beta1",
    "ServiceMeshControlPlane": "v2",
    "Subscription": "v1alpha1",
    "TempoMonolithic": "v1alpha1",
    "TempoStack": "v1alpha1",
}
# What stands for material that a page cannot have, by the names of tests/unit/certificates/named.py.
MATERIAL = {
    "middle": "intermediate",
    "twin": "new root of the same name",
    "future": "leaf that is valid from tomorrow",
    "expired": "leaf that expired yesterday",
    "soon": "leaf that ends in 10 days",
    "late_day": "leaf of one day that ends in an hour",
    "fresh_day": "leaf of one day, one hour old",
    "long": "leaf that outlives its issuer",
    "forged": "leaf with a forged signature",
    "no_ca": "intermediate that is no CA",
    "of_no_ca": "leaf issued by it",
    "second": "second intermediate",
    "of_second": "leaf issued by the second intermediate",
    "no_sign": "intermediate without keyCertSign",
    "of_no_sign": "leaf issued by it",
    "client": "leaf for clients only",
    "twice": "leaf with serial number 77",
    "twice_more": "another leaf with serial number 77",
    "critical": "leaf with an unknown critical extension",
    "constrained": "intermediate for example.com only",
    "of_constrained": "leaf for travel.example.com",
    "outside": "leaf for travel.example.org",
    "tiny": "leaf with an RSA key of 512 bits",
    "small": "leaf with an RSA key of 1024 bits",
    "rsa_root": "root with an RSA key",
    "md5": "leaf signed with MD5",
    "workload": "workload certificate",
    "two_ids": "workload certificate with two SPIFFE IDs",
    "bad_id": "workload certificate with a malformed SPIFFE ID",
    "no_id": "certificate without a SPIFFE ID",
    "nameless": "leaf without a subject alternative name",
    "wildcard": "leaf for *.example.com",
    "empty": "an empty line",
    "garbage": "BEGIN CERTIFICATE, text that is not base64, END CERTIFICATE",
    "cut": "leaf without its END line",
    "text": "not a certificate",
    "der": "leaf as DER",
    "bom": "leaf behind a byte order mark",
    "crlf": "leaf with Windows line ends",
    "big": "10 MiB of certificates",
    "root_key": "private key of the root",
    "leaf_key": "private key of the leaf",
}
KEYS = "mesh.meshops.io/certificate-keys"
# A good object of the same kind is no correction of these: they are to go.
REMOVED = frozenset({"OSM1104", "OSM3201"})
# A source without an API: as the option `certificates` of certificate_check takes it.
OF_FILES = {
    "certificate": "certificate_content",
    "chain": "chain_content",
    "roots": "roots_content",
    "purpose": "purpose",
    "hosts": "hosts",
    "der": "der",
}
_TOKEN = re.compile(r"\{(b64|pem|fp|fp16|keys|facts):([^}]+)\}")


class NotShown(Exception):
    """This entry is nothing that people write."""


@dataclass(frozen=True)
class Example:
    """What a page shows. Texts of YAML are empty where there is nothing to show."""

    resource: str = ""
    messages: tuple[str, ...] = ()
    fails: str = ""
    passes: str = ""
    beside: str = ""
    missing: bool = False
    variables: bool = False
    together: bool = False
    older: bool = False
    named: bool = False
    indirect: bool = False  # the message is about an object of another kind, and the correction is in a status, which nobody writes
    chosen: bool = False  # the case says `page: Kind namespace/name`

    @property
    def rank(self) -> tuple[bool, bool, bool, bool, bool, bool, bool, int]:
        """The smaller the better: the one that the case names; one object with a correction, and not just missing; short."""
        lines = sum(text.count("\n") for text in (self.fails, self.passes, self.beside))
        return (not self.chosen, self.together, not self.passes, not self.fails, self.older, self.indirect, not self.named, lines)


@dataclass(frozen=True)
class _Asked(Options):
    """Options that remember which limits were asked for."""

    names: set[str] = field(default_factory=set)

    def threshold(self, name: str) -> Any:
        self.names.add(name)
        return super().threshold(name)


class _Dumper(yaml.SafeDumper):
    """Lists are indented below their key, as yamllint wants them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _yaml(documents: list[Any]) -> str:
    texts = [yaml.dump(each, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True) for each in documents]
    return "---\n".join(texts)


@cache
def _written() -> dict[str, list[dict[str, Any]]]:
    """The cases as they are written, with names in place of certificates."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(CASES.glob("*.yml")):
        found |= yaml_load(path.read_text(encoding="utf-8"))
    return found


def _named(names: str) -> str:
    return ", ".join(MATERIAL.get(name, name.replace("_", " ")) for name in names.split("+"))


def _words(token: re.Match[str]) -> str:
    """What stands for one token: the name of a certificate, or dots for a fingerprint."""
    return f"<{_named(token[2])}>" if token[1] in ("b64", "pem") else "..."


def _shown(value: Any) -> Any:
    """The same structure, with words in place of certificates."""
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return _TOKEN.sub(_words, value) if isinstance(value, str) else value


def _key_words(fact: str) -> str:
    if fact == "?":
        return "... (not a key)"
    return f"... ({'encrypted ' if fact.startswith('!') else ''}key of the {_named(fact.removeprefix('!'))})"


def _of_files(name: str, spec: Entry) -> dict[str, Any]:
    """A certificate that no API has, as a task gives it."""
    if " " in name or set(spec) - set(OF_FILES) or spec.get("purpose") in ("roots", "shared"):
        raise NotShown(name)
    return {"certificates": [{"name": name, **{OF_FILES[key]: _shown(value) for key, value in spec.items()}}]}


def _document(entry: Entry) -> dict[str, Any]:
    """An object as people write it."""
    ((title, given),) = entry.items()
    if title.startswith("CertificateSource "):
        return _of_files(title.partition(" ")[2], given["spec"])
    made = build(entry)
    metadata, body = dict(made.pop("metadata")), {key: value for key, value in made.items() if key not in ("apiVersion", "kind")}
    version = made["apiVersion"]
    if made["kind"] in VERSIONS and "apiVersion" not in (given or {}):
        version = f"{version.rpartition('/')[0]}/{VERSIONS[made['kind']]}"
    notes = dict(metadata.pop("annotations", {}))
    keys = re.fullmatch(r"\{keys:(.+)\}", str(notes.pop(KEYS, "")))
    if notes:
        metadata["annotations"] = notes
    if keys and "data" in body:
        facts = dict(part.split("=") for part in keys[1].split(","))
        body["data"] = {item: _key_words(facts[item]) if item in facts else text or "..." for item, text in body["data"].items()}
    names = {key: metadata.pop(key) for key in ("name", "namespace") if key in metadata}
    return {"apiVersion": version, "kind": made["kind"], "metadata": {**names, **metadata}, **_shown(body)}


def _title(entry: Entry) -> str:
    return str(next(iter(entry)))


def _resource(title: str) -> str:
    """How a check calls it."""
    return title.removeprefix("CertificateSource ")


def _problems(code: str, objects: list[dict[str, Any]], setting: Entry) -> list[tuple[str, str]]:
    view = View(snapshot(objects, **setting.get("snapshot", {})))
    asked = (intent(**setting.get("intent", {})), Options(**{"now": NOW, **setting.get("options", {})}))
    return [(row.resource, row.message) for row in CATALOGUE.by_id[code].run(view, *asked) if not row.skipped]


@dataclass(frozen=True)
class _Case:
    """One case: as it is written, and with its certificates."""

    code: str
    written: Mapping[str, Any]
    made: Mapping[str, Any]

    def corrected(self, number: int) -> Entry | None:
        """The bad object with the content of a good one of its kind, the most similar that makes the check silent about it."""
        title = _title(self.made["bad"][number])
        good, wanted = self.written.get("good", []), str(self.written["bad"][number][title])
        kin = [(place, _title(entry)) for place, entry in enumerate(good) if _title(entry).split(" ")[0] == title.split(" ")[0]]
        kin.sort(key=lambda row: (row[1] != title, -difflib.SequenceMatcher(None, wanted, str(good[row[0]][row[1]])).ratio()))
        before, bad = set(self.found({})), set(self.found({"bad": [self.made["bad"][number]]}))
        for place, name in kin if self.code not in REMOVED else ():
            after = set(self.found({"bad": [{title: self.made["good"][place][name]}]}))
            if after <= before and bad - after:
                return {title: good[place][name]}
        return None

    def found(self, part: Entry) -> list[tuple[str, str]]:
        """What the check finds with this part of what is bad."""
        return _problems(self.code, bad_objects({"good": self.made.get("good", []), **part}), self.made.get("failing", {}))

    def says(self, part: Entry) -> list[tuple[str, str]]:
        """The same in the words of the case, without what it does not expect."""
        words = dict(zip(self.made["findings"], self.written["findings"], strict=True))
        told = [words.get(f"{resource} | {message}", "") for resource, message in self.found(part)]
        return [(line.partition(" | ")[0], _shown(line.partition(" | ")[2])) for line in told if line]

    def examples(self) -> Iterator[Example]:
        """All that can be shown of this case."""
        for number, entry in enumerate(self.written.get("bad", [])):
            about = _resource(_title(entry))
            told = self.says({"bad": [self.made["bad"][number]]})
            own = [row for row in told if row[0] == about] or (told if len(told) == 1 else [])
            with suppress(NotShown):
                if own:
                    correct = self.corrected(number)
                    named = _title(entry) in {_title(other) for other in self.written.get("good", [])}
                    example = self._example(own, [entry], [correct] if correct else [])
                    other = own[0][0].split(" ")[0] != about.split(" ")[0]
                    indirect = other and correct is not None and _without_status(entry) == _without_status(correct)
                    yield replace(example, named=named, indirect=indirect, chosen=self.written.get("page") == _title(entry))
        together = self.says({"bad": self.made.get("bad", [])})
        with suppress(NotShown):
            if together and self.written.get("bad"):
                titles = {_title(entry) for entry in self.written["bad"]}
                same = [entry for entry in self.written.get("good", []) if _title(entry) in titles]
                yield replace(self._example(together, self.written["bad"], same), together=True)
        for title in self.written.get("without", []):
            told = self.says({"without": [title]})
            entry = next((other for other in self.written["good"] if _title(other) == title), None)
            with suppress(NotShown):
                if told and entry:
                    yield replace(self._example(told[:1], [], [entry]), missing=True)

    def _example(self, told: list[tuple[str, str]], fails: list[Entry], passes: list[Entry]) -> Example:
        shown = {_title(entry) for entry in fails + passes}
        words = " ".join(f"{resource} {message}" for resource, message in told) + " "
        beside = [
            entry
            for entry in self.written.get("good", [])
            if _title(entry) not in shown and re.search(re.escape(_title(entry)) + r"[\s,;:)]", words)
        ]
        texts = (_yaml([_document(entry) for entry in entries]) for entries in (fails, passes, beside))
        return Example(told[0][0], tuple(message for _resource_, message in told), *texts)


def _without_status(entry: Entry) -> Entry:
    ((title, given),) = entry.items()
    return {title: {key: value for key, value in (given or {}).items() if key != "status"}}


def _variables(given: Entry) -> dict[str, Any]:
    """Intent as an inventory has it."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name == "members":
            found["mesh_domains"] = [{"name": "shop", "namespaces": list(value or ())}]
        elif name == "operators":
            found["mesh_operators_packages"] = value
        elif name == "upgrade" and set(value) == {"version"}:
            found["plan_upgrade_target"] = value["version"]
        elif name in ("provider", "control_plane", "gateways"):
            found[f"mesh_{name}"] = value
        elif name == "access":
            found["mesh_access_matrix"] = value
        else:
            raise NotShown(name)
    return found


def _of_intent(case: _Case) -> Example | None:
    """The same objects with two inventories."""
    settings = [case.written.get(word, {}) for word in ("failing", "passing")]
    fails, passes = (setting.get("intent", {}) for setting in settings)
    names = [name for name in {**fails, **passes} if fails.get(name) != passes.get(name)]
    told = case.says({})
    rest = [{key: value for key, value in setting.items() if key != "intent"} for setting in settings]
    if not names or not told or rest[0] != rest[1]:
        return None
    usual = intent()
    pair = [_yaml([_variables({name: side.get(name, getattr(usual, name, None)) for name in names})]) for side in (fails, passes)]
    return Example(told[0][0], (told[0][1],), pair[0], pair[1], variables=True, older=True)


@cache
def example_of(code: str) -> Example | None:
    """The smallest example of a check; None where its cases have nothing that people write."""
    found: list[Example] = []
    for written, made in zip(_written()[code], cases()[code], strict=True):
        case = _Case(code, written, made)
        older = written.get("failing", {}).get("intent", {}).get("provider") == "ossm2"
        with suppress(NotShown):
            found += [of_intent] if (of_intent := _of_intent(case)) else []
        found += [replace(example, older=older) for example in case.examples()]
    return min(found, key=lambda example: example.rank, default=None)


def resource_of(code: str) -> str:
    """An object that the check may name, not a file; empty where it speaks of the mesh as a whole."""
    lines = [line for case in cases()[code] for line in case["findings"] if not line.startswith("SKIPPED")]
    named = [line.partition(" | ")[0] for line in lines]
    if CATALOGUE.by_id[code].category == "certificates":
        return next((name for name in named if " " in name), "Secret istio-system/*")
    return named[0] if named else ""


def thresholds_of(code: str) -> list[str]:
    """The limits that decide what a check finds: one ten times as large or as small changes an answer, or its texts name it."""
    row = CATALOGUE.by_id[code]
    names = {name for name in THRESHOLDS if name in f"{row.hint} {row.about}"}
    for case in cases()[code]:
        for objects, setting in ((case.get("good", []), case.get("passing", {})), (bad_objects(case), case.get("failing", {}))):
            view, wanted = View(snapshot(objects, **setting.get("snapshot", {}))), intent(**setting.get("intent", {}))

            def answer(view: View = view, wanted: Intent = wanted, **limits: Any) -> tuple[list[Any], set[str]]:
                asked = _Asked(now=NOW, thresholds=limits)
                return list(row.run(view, wanted, asked)), asked.names

            usual, read = answer()
            for name in read - names:
                value = THRESHOLDS[name]
                others = ("0.1", "99.0") if isinstance(value, str) else (value / 10, value * 10)
                if any(answer(**{name: other})[0] != usual for other in others):
                    names.add(name)
    return sorted(names)
