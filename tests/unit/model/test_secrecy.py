# SPDX-License-Identifier: GPL-3.0-or-later
"""What people see of objects that hold secrets: in differences, in messages, in a module's arguments."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.diff import changes, cleaned
from ansible_collections.meshops.mesh.plugins.module_utils._model.secrecy import (
    has_private_key,
    holds_secret,
    masked,
    without_login,
    without_secrets,
)
from ansible_collections.meshops.mesh.plugins.module_utils._module import shown_arguments

NEEDLE = "n33dle-of-this-test"
CODED = base64.b64encode(NEEDLE.encode()).decode()
LAST = "apps.kubernetes.io/last-applied-configuration"
KEY = f"-----BEGIN EC PRIVATE KEY-----\n{NEEDLE}\n-----END EC PRIVATE KEY-----\n"


def obj(kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "web", "namespace": "shop"}, **fields}


def deployment(**container: Any) -> dict[str, Any]:
    pod = {"spec": {"containers": [{"name": "web", "image": "i:1", **container}]}}
    return obj("Deployment", spec={"replicas": 2, "template": pod})


HIDDEN: dict[str, dict[str, Any]] = {
    "data of a Secret": obj("Secret", data={"a": CODED}),
    "texts of a Secret": obj("Secret", stringData={"a": NEEDLE}),
    "annotations of a Secret": obj("Secret") | {"metadata": {"name": "a", "annotations": {"note": NEEDLE, "x/y": NEEDLE}}},
    "labels of a Secret": obj("Secret") | {"metadata": {"name": "a", "labels": {"note": NEEDLE}}},
    "an environment variable": deployment(env=[{"name": "A", "value": NEEDLE}]),
    "an init container's": obj("Job", spec={"template": {"spec": {"initContainers": [{"env": [{"name": "A", "value": NEEDLE}]}]}}}),
    "a map of them": obj("Istio", spec={"values": {"pilot": {"env": {"A": NEEDLE}}}}),
    "arguments": deployment(args=["--password", NEEDLE]),
    "a command": deployment(command=["sh", "-c", f"login {NEEDLE}"]),
    "a password": obj("Kiali", spec={"external_services": {"grafana": {"auth": {"password": NEEDLE}}}}),
    "a token": obj("Kiali", spec={"external_services": {"prometheus": {"auth": {"token": NEEDLE}}}}),
    "a client's secret": obj("X", spec={"clientSecret": NEEDLE}),
    "an access token": obj("X", spec={"tracing": {"lightstep": {"accessToken": NEEDLE}}}),
    "an API key": obj("X", spec={"api_key": NEEDLE}),
    "a header": obj("VirtualService", spec={"http": [{"headers": {"request": {"set": {"authorization": NEEDLE}}}}]}),
    "a header of any name": obj("VirtualService", spec={"http": [{"headers": {"request": {"set": {"x-a": f"Bearer {NEEDLE}"}}}}]}),
    "a parameter by name": obj("X", spec={"params": [{"name": "db-password", "value": NEEDLE}]}),
    "a login in an address": obj("X", spec={"url": f"https://me:{NEEDLE}@db.example.com/x"}),
    "a private key": obj("Route", spec={"tls": {"key": KEY}}),
    "a private key, coded": obj("X", spec={"a": base64.b64encode(KEY.encode()).decode()}),
    "a private key in a ConfigMap": obj("ConfigMap", data={"istio-thing": KEY}),
    "a line of a ConfigMap": obj("ConfigMap", data={"app.properties": f"url=x\ndb.password={NEEDLE}\n"}),
    "a line of YAML": obj("ConfigMap", data={"mesh": f"tracing:\n  accessToken: '{NEEDLE}'\n"}),
    "one line": obj("ConfigMap", data={"a": f"token={NEEDLE}"}),
    "keys of tokens": obj("RequestAuthentication", spec={"jwtRules": [{"jwks": NEEDLE}]}),
    "a private key of tokens": obj("X", spec={"keys": f'{{"kty": "RSA", "d": "{NEEDLE}"}}'}),
    "a Secret as kubectl applied it": obj("Secret")
    | {"metadata": {"name": "a", "annotations": {LAST: json.dumps({"data": {"a": CODED}})}}},
    "a Deployment as it was applied": obj("Deployment")
    | {"metadata": {"name": "a", "annotations": {LAST: json.dumps(deployment(env=[{"name": "A", "value": NEEDLE}], args=[NEEDLE]))}}},
    "a list of Secrets": {"apiVersion": "v1", "kind": "SecretList", "items": [{"metadata": {"name": "a"}, "data": {"a": CODED}}]},
    "a Secret without metadata": {"apiVersion": "v1", "kind": "Secret", "data": {"a": CODED}},
    "data of a wrong type": obj("Secret", stringData=[NEEDLE]),
    "what a sealed Secret says in clear": obj("SealedSecret", spec={"template": {"data": {"a": NEEDLE}}}),
    "what a Secret is made of": obj("ExternalSecret", spec={"target": {"template": {"data": {"a": NEEDLE}}}}),
    "variables in one text": deployment(env=f"A={NEEDLE}"),
    "variables as texts": deployment(env=[f"A={NEEDLE}"]),
    "a variable as a map": deployment(env={"A": {"value": NEEDLE}}),
    "arguments in one text": deployment(args=f"--x {NEEDLE}"),
    "a command in one text": deployment(command=f"run {NEEDLE}"),
    "a password in a map": obj("X", spec={"password": {"value": NEEDLE}}),
    "credentials": obj("X", spec={"credentials": {"user-a": [NEEDLE]}}),
    "a key of keys": obj("X", spec={"s3": {"secret_key": NEEDLE}}),
    "a key that encrypts": obj("X", spec={"encryptionKey": NEEDLE}),
    "a private key of tokens as a map": obj("X", spec={"keys": [{"kty": "oct", "k": NEEDLE}]}),
    "a password with blanks": obj("ConfigMap", data={"a": f"password: correct {NEEDLE}\nb: 1\n"}),
    "a password below its name": obj("ConfigMap", data={"a": f"password:\n  {NEEDLE}\nb: 1\n"}),
    "a password as a block": obj("ConfigMap", data={"a": f"a:\n  password: |-\n    x\n    {NEEDLE}\nb: 1\n"}),
    "a list of passwords": obj("ConfigMap", data={"a": f"passwords:\n- x\n- {NEEDLE}\nb: 1\n"}),
    "passwords in brackets": obj("ConfigMap", data={"a": f"passwords: [x, {NEEDLE}]\n"}),
    "a quote in a password": obj("ConfigMap", data={"a": f'password: "x\\"{NEEDLE}"\n'}),
    "an option": obj("ConfigMap", data={"a.sh": f"mysql --password {NEEDLE} -h db"}),
    "a user's option": obj("ConfigMap", data={"a.sh": f"curl -u admin:{NEEDLE} https://db.example.com"}),
    "SQL": obj("ConfigMap", data={"a.sql": f"CREATE USER web IDENTIFIED BY '{NEEDLE}';"}),
    ".netrc": obj("ConfigMap", data={"a": f"machine m login l password {NEEDLE}"}),
    "a registry's login": obj("ConfigMap", data={"a.json": json.dumps({"auths": {"r.example.com": {"auth": CODED}}})}),
    "a Secret in a text": obj("ConfigMap", data={"a.yaml": f"apiVersion: v1\nkind: Secret\nstringData:\n  a: {NEEDLE}\n"}),
    "a Secret in a text of JSON": obj("ConfigMap", data={"a.json": json.dumps(obj("Secret", data={"a": CODED}))}),
    "an object in an object": obj("List", items=[obj("Secret", stringData={"a": NEEDLE})]),
}

# Where the secret is a part of a word: a message has to quote the whole text for it to be found there.
PARTS: dict[str, dict[str, Any]] = {
    "a probe's command": deployment(livenessProbe={"exec": {"command": ["ping", f"-p{NEEDLE}"]}}),
    "a private key as a name": obj("X", spec={KEY: "a"}),
    "a private key, coded in lines": obj("ConfigMap", binaryData={"a": base64.encodebytes((KEY * 3).encode()).decode()}),
    "a tag": obj("ConfigMap", data={"a.xml": f"<db><password>{NEEDLE}</password></db>"}),
    "a slash in an address": obj("X", spec={"url": f"mysql://root:p/{NEEDLE}@db.example.com/x"}),
    "a token in an address": obj("X", spec={"url": f"https://{NEEDLE}@git.example.com/x"}),
    "a token of OpenShift": obj("X", spec={"a": f"sha256~{NEEDLE}-{NEEDLE}"}),
}
ALL = HIDDEN | PARTS


@pytest.mark.parametrize("case", ALL)
def test_what_may_be_a_secret_is_not_shown(case: str) -> None:
    given = ALL[case]
    shown = str(masked(given, "after", None))
    assert NEEDLE not in shown and CODED not in shown and "*** (after)" in shown
    other = _with(given, "another-value")
    assert NEEDLE not in str(changes(cleaned(given, "before", other), cleaned(other, "after", given)))
    assert changes(cleaned(given, "before", other), cleaned(other, "after", given)), "that it differs is seen"
    assert changes(cleaned(given, "before", given), cleaned(given, "after", given)) == []


@pytest.mark.parametrize("case", HIDDEN)
def test_a_message_does_not_quote_it(case: str) -> None:
    text = without_secrets(f"cluster west: Invalid value: {NEEDLE!r} ({CODED}) of shop/web", [HIDDEN[case]])
    hidden = [form for form in (NEEDLE, CODED) if form not in text]
    assert hidden and text.endswith("of shop/web")


@pytest.mark.parametrize("case", PARTS)
def test_nor_does_one_that_quotes_a_whole_text(case: str) -> None:
    quoted = [text for text in _leaves(PARTS[case]) if NEEDLE in text or text.startswith("LS0t")]
    assert quoted
    for text in quoted:
        assert text not in without_secrets(f"cluster west: Invalid value: {text} of shop/web", [PARTS[case]])


def _leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in _leaves(item)]
    return [text for item in value for text in _leaves(item)] if isinstance(value, list) else [str(value)]


def _with(value: Any, text: str) -> Any:
    """The same with another secret."""
    if isinstance(value, dict):
        return {_with(key, text): _with(item, text) for key, item in value.items()}
    if isinstance(value, list):
        return [_with(item, text) for item in value]
    if not isinstance(value, str):
        return value
    if value.startswith("LS0t"):
        return base64.b64encode(_with(base64.b64decode(value).decode(), text).encode()).decode()
    return value.replace(NEEDLE, text).replace(CODED, base64.b64encode(text.encode()).decode())


SHOWN: dict[str, dict[str, Any]] = {
    "names of what has a secret": obj("X", spec={"secretName": "a", "credentialName": "b", "secretKeyRef": {"name": "c", "key": "d"}}),
    "where keys are": obj("RequestAuthentication", spec={"jwtRules": [{"issuer": "i", "jwksUri": "https://sso.example.com/certs"}]}),
    "a ConfigMap": obj("ConfigMap", data={"x": "1", "ca.crt": "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----"}),
    "a value from a Secret": deployment(env=[{"name": "P", "valueFrom": {"secretKeyRef": {"name": "a", "key": "password"}}}]),
    "a switch": deployment(env=[{"name": "A", "value": "true"}]),
    "labels": obj("Service", spec={"selector": {"app": "token-service"}}),
    "our labels of a Secret": obj("Secret") | {"metadata": {"name": "a", "labels": {"app.kubernetes.io/managed-by": "meshops.mesh"}}},
    "an image": deployment(),
}


@pytest.mark.parametrize("case", SHOWN)
def test_what_is_none_is_shown(case: str) -> None:
    assert masked(SHOWN[case], "after") == SHOWN[case]


def test_whose_file_it_is() -> None:
    assert holds_secret(obj("Secret")) and holds_secret(obj("Route", spec={"tls": {"key": KEY}}))
    assert not holds_secret(obj("ConfigMap", data={"a": "b"}))
    assert has_private_key(KEY) and not has_private_key("certificate") and not has_private_key(None)


def test_a_name_stays_in_a_message() -> None:
    given = obj("Secret", stringData={"user": "shop-admin", "home": "web"})
    given["metadata"]["name"] = "shop-admin-login"
    assert without_secrets("Secret shop/shop-admin-login is another's", [given]) == "Secret shop/shop-admin-login is another's"


SPEC: dict[str, Any] = {
    "mesh": {"type": "str"},
    "token": {"type": "str", "no_log": True},
    "wait": {"type": "bool"},
    "objects": {"type": "list", "elements": "raw"},
    "names": {"type": "list", "elements": "str"},
    "limits": {"type": "dict"},
    "calls": {"type": "list", "elements": "dict", "options": {"path": {"type": "str"}, "key": {"type": "str", "no_log": True}}},
}


@pytest.mark.parametrize(("given", "shown"), [
    ({"mesh": "travel", "wait": True, "names": ["a"]}, {"mesh": "travel", "wait": True, "names": ["a"]}),
    ({"mesh": None}, {"mesh": None}),
    ({"token": NEEDLE}, {"token": "not shown"}),
    ({"objects": [{"a": NEEDLE}]}, {"objects": "1 item, not shown"}),
    ({"objects": NEEDLE}, {"objects": "not shown"}),
    ({"objects": {"a": NEEDLE}}, {"objects": "1 item, not shown"}),
    ({"limits": {"a": NEEDLE}}, {"limits": "1 item, not shown"}),
    ({"calls": [{"path": "/", "key": NEEDLE, "other": NEEDLE}]}, {"calls": [{"path": "/", "key": "not shown", "other": "not shown"}]}),
    ({"calls": [NEEDLE]}, {"calls": ["not shown"]}),
    ({"objcts": [{"a": NEEDLE}]}, {"objcts": "not shown"}),
    ({"mesh": KEY}, {"mesh": "not shown"}),
    ({"mesh": f"https://me:{NEEDLE}@prometheus.example.com"}, {"mesh": "not shown"}),
    ({"names": ["a", f"http://me:{NEEDLE}@proxy.example.com:3128"]}, {"names": ["a", "not shown"]}),
    ({"mesh": {"a": NEEDLE}}, {"mesh": "1 item, not shown"}),
    ({"_ansible_x": NEEDLE}, {}),
])  # fmt: skip
def test_arguments(given: dict[str, Any], shown: dict[str, Any]) -> None:
    assert shown_arguments(given, SPEC) == shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ann:pw@proxy:8080/x", "https://***@proxy:8080/x"),
        ("proxy http://ann@a and http://b:c@d", "proxy http://***@a and http://***@d"),
        ("https://proxy:8080/a@b c", "https://***@b c"),
        ("https://proxy:8080 a@b", "https://proxy:8080 a@b"),
    ],
)
def test_an_address_shows_no_login(address: str, shown: str) -> None:
    assert without_login(address) == shown
