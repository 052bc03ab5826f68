# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates by name, for cases in YAML: {b64:leaf+middle}, {pem:root}, {fp:root}, {keys:tls.key=leaf}."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._certificates.reading import read_key
from cryptography import x509

from .material import CLIENT, DAY, NOW, SERVER, Made, key, make, with_md5

HOST = "travel.example.com"


def _root() -> Made:
    return make("Root", ca=True)


def _middle() -> Made:
    return make("Intermediate", _root(), ca=True, length=0, ends=NOW + 300 * DAY)


def _leaf(common: str = "leaf", issuer: Made | None = None, **fields: Any) -> Made:
    return make(common, issuer or named("middle"), **{"names": (HOST,), "purposes": (SERVER,), "ends": NOW + 200 * DAY} | fields)


def _workload(uri: str, *more: str) -> Made:
    return _leaf(f"workload {uri} {more}"[:60], names=(uri, *more), purposes=(SERVER, CLIENT))


CRITICAL = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
ONLY_COM = x509.NameConstraints([x509.DNSName("example.com")], None)
MAKERS: dict[str, Callable[[], Made]] = {
    "root": _root,
    "middle": _middle,
    "leaf": _leaf,
    "twin": lambda: make("Root", ca=True, key_name="twin", ends=NOW + 354 * DAY),
    "other_root": lambda: make("Other Root", ca=True),
    "other_leaf": lambda: _leaf("other"),
    "expired": lambda: _leaf("old", begins=NOW - 20 * DAY, ends=NOW - DAY),
    "future": lambda: _leaf("future", begins=NOW + DAY),
    "soon": lambda: _leaf("soon", begins=NOW - 80 * DAY, ends=NOW + 10 * DAY),
    "fresh_day": lambda: _leaf("short life", begins=NOW - DAY / 24, ends=NOW + DAY * 23 / 24),
    "late_day": lambda: _leaf("short life, late", begins=NOW - DAY * 23 / 24, ends=NOW + DAY / 24),
    "long": lambda: _leaf("long", ends=NOW + 301 * DAY),
    "forged": lambda: _leaf("forged", signed_with=key("forger")),
    "no_ca": lambda: make("Intermediate", _root(), ca=False, sign=True, key_name="fake"),
    "of_no_ca": lambda: _leaf("below no CA", named("no_ca")),
    "second": lambda: make("Second", named("middle"), ca=True, ends=NOW + 250 * DAY),
    "of_second": lambda: _leaf("below second", named("second")),
    "no_sign": lambda: make("Intermediate", _root(), ca=True, sign=False, key_name="no sign"),
    "of_no_sign": lambda: _leaf("below no sign", named("no_sign")),
    "client": lambda: _leaf("partner", purposes=(CLIENT,), names=("partner.example.org",)),
    "twice": lambda: _leaf("twice", serial=77),
    "twice_more": lambda: _leaf("twice more", serial=77),
    "critical": lambda: _leaf("critical", extra=((CRITICAL, True),)),
    "constrained": lambda: make("Constrained", _root(), ca=True, extra=((ONLY_COM, True),)),
    "of_constrained": lambda: _leaf("inside", named("constrained")),
    "outside": lambda: _leaf("outside", named("constrained"), names=("travel.example.org",)),
    "tiny": lambda: _leaf("tiny", kind="RSA512", key_name="tiny"),
    "small": lambda: _leaf("small", kind="RSA1024", key_name="small"),
    "rsa_root": lambda: make("RSA Root", ca=True, kind="RSA2048"),
    "md5": lambda: with_md5(_leaf("md5", named("rsa_root")), named("rsa_root").key),
    "workload": lambda: _workload("spiffe://cluster.local/ns/shop/sa/cart"),
    "two_ids": lambda: _workload("spiffe://cluster.local/ns/shop/sa/cart", "spiffe://cluster.local/ns/shop/sa/other"),
    "bad_id": lambda: _workload("spiffe://Cluster.Local/ns/shop/sa/cart"),
    "no_id": lambda: _leaf("no id"),
    "nameless": lambda: _leaf("nameless", names=()),
    "wildcard": lambda: _leaf("wildcard", names=("*.example.com",)),
}


@cache
def named(name: str) -> Made:
    """The certificate of this name, the same in a whole run."""
    return MAKERS[name]()


RAW: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b" \n",
    "garbage": lambda: b"-----BEGIN CERTIFICATE-----\nMIIBgarbage!\n-----END CERTIFICATE-----\n",
    "cut": lambda: named("leaf").pem.encode()[:-40],
    "text": lambda: b"not a certificate\n",
    "der": lambda: named("leaf").der,
    "bom": lambda: b"\xef\xbb\xbf" + named("leaf").pem.encode(),
    "crlf": lambda: named("leaf").pem.replace("\n", "\r\n").encode(),
    "big": lambda: (named("leaf").pem.encode() * 20000)[: 10 * 1024 * 1024],
    "root_key": lambda: named("root").key_pem().encode(),
    "leaf_key": lambda: named("leaf").key_pem().encode(),
}


def content(names: str) -> bytes:
    """The bytes of `a+b`."""
    return b"".join(RAW[name]() if name in RAW else named(name).pem.encode() for name in names.split("+"))


def _keys(text: str) -> str:
    """Facts about keys, as without_keys notes them; `!` before a name encrypts, `?` is no key."""
    facts = {}
    for part in text.split(","):
        item, _equals, name = part.partition("=")
        pem = "junk" if name == "?" else named(name.removeprefix("!")).key_pem("secret" if name.startswith("!") else "")
        facts[item] = read_key(pem.encode()).to_dict()
    return json.dumps(facts)


EXPAND: dict[str, Callable[[str], str]] = {
    "pem": lambda text: content(text).decode(),
    "b64": lambda text: base64.b64encode(content(text)).decode(),
    "fp": lambda text: hashlib.sha256(named(text).der).hexdigest(),
    "fp16": lambda text: hashlib.sha256(named(text).der).hexdigest()[:16],
    "keys": _keys,
}
_TOKEN = re.compile(r"\{(" + "|".join(EXPAND) + r"):([^}]+)\}")


def expand(value: Any) -> Any:
    """The same structure with every token replaced; {key: name} alone becomes a dict of facts."""
    if isinstance(value, dict):
        return {key_: expand(item) for key_, item in value.items()}
    if isinstance(value, list):
        return [expand(item) for item in value]
    if not isinstance(value, str):
        return value
    if value.startswith("{facts:"):
        return json.loads(_keys(f"x={value[7:-1]}"))["x"]
    return _TOKEN.sub(lambda match: EXPAND[match[1]](match[2]), value)
