# SPDX-License-Identifier: GPL-3.0-or-later
"""CAs that are there before ours, their copies and the way back; and what cert-manager has written, or is not ready to."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._certificates import saving
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError

from .intents import SYSTEM

Obj = dict[str, Any]
OURS = {"app.kubernetes.io/managed-by": "meshops.mesh", "mesh.meshops.io/layer": "certificates", "mesh.meshops.io/mesh": "travel"}
ISSUED = "cert-manager.io/certificate-name"
FORM = dict.fromkeys(("ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"), "eA==")


def secret(name: str, kind: str | None = "Opaque", data: Any = None, namespace: str = SYSTEM, **metadata: Any) -> Obj:
    obj = {"apiVersion": "v1", "kind": "Secret", "data": data, "metadata": {"name": name, "namespace": namespace, **metadata}}
    return obj if kind is None else {**obj, "type": kind}


FOREIGN: dict[str, tuple[Obj, bool, bool]] = {  # by us, by cert-manager
    "ours": (secret("cacerts", labels=OURS), False, True),
    "of another layer": (secret("cacerts", labels={**OURS, "mesh.meshops.io/layer": "certificates_issued"}), True, True),
    "of somebody else": (secret("cacerts", labels={**OURS, "app.kubernetes.io/managed-by": "helm"}), True, True),
    "without labels": (secret("istio-ca-secret"), True, True),
    "labels are null": (secret("istio-ca-secret", labels=None, annotations=None), True, True),
    "issued": (secret("cacerts", annotations={ISSUED: "cacerts"}), True, False),
    "issued for another": (secret("cacerts", annotations={ISSUED: "other"}), True, True),
    "ours, and issued": (secret("cacerts", labels=OURS, annotations={ISSUED: "cacerts"}), False, False),
    "a copy": (secret("cacerts-saved"), False, False),
    "no CA": (secret("web-tls"), False, False),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_what_is_not_ours(case: str) -> None:
    found, by_us, by_cert_manager = FOREIGN[case]
    assert saving.foreign([found], by_cert_manager=False) == ([found] if by_us else [])
    assert saving.foreign([found], by_cert_manager=True) == ([found] if by_cert_manager else [])


def test_a_copy_goes_back_as_it_was() -> None:
    found = [secret("cacerts", "kubernetes.io/tls", {"tls.key": "a2V5"}), secret("istio-ca-secret", "istio.io/ca-root", FORM)]
    made = saving.copies(found, SYSTEM, by_cert_manager=False)
    notes = {"mesh.meshops.io/saved-from": "cacerts", "mesh.meshops.io/saved-type": "kubernetes.io/tls"}
    assert made[0] == {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"tls.key": "a2V5"},
                       "metadata": {"name": "cacerts-saved", "namespace": SYSTEM, "annotations": notes}}  # fmt: skip
    assert saving.restored(made, SYSTEM) == found


def test_an_older_copy_stays() -> None:
    found = [secret("cacerts"), secret("cacerts-saved"), secret("istio-ca-secret")]
    assert [one["metadata"]["name"] for one in saving.copies(found, SYSTEM, by_cert_manager=False)] == ["istio-ca-secret-saved"]


def test_what_is_ours_is_not_copied() -> None:
    assert saving.copies([secret("cacerts", labels=OURS)], SYSTEM, by_cert_manager=False) == []


def test_a_secret_without_data_or_type() -> None:
    made = saving.copies([secret("cacerts", None)], SYSTEM, by_cert_manager=False)
    assert made[0]["data"] == {} and made[0]["metadata"]["annotations"]["mesh.meshops.io/saved-type"] == "Opaque"


@pytest.mark.parametrize("notes", [None, {}, {"mesh.meshops.io/saved-from": "cacerts"}, {"mesh.meshops.io/saved-type": "Opaque"}])
def test_what_is_no_copy_of_ours(notes: Any) -> None:
    with pytest.raises(ConfigError, match=f"^Secret {SYSTEM}/x-saved has the labels of a saved CA, and not the annotations") as found:
        saving.restored([secret("x-saved", data={"ca-key.pem": "hunter2"}, annotations=notes)], SYSTEM)
    assert "hunter2" not in str(found.value)


MISFITS: dict[str, tuple[list[Obj], bool, list[str]]] = {
    "our own form": ([secret("cacerts", data=FORM)], False, []),
    "ours": ([secret("cacerts", "kubernetes.io/tls", {"tls.crt": ""}, labels=OURS)], False, []),
    "another form": ([secret("cacerts", "kubernetes.io/tls", {"tls.crt": "", "ca-cert.pem": ""})], False, ["tls.crt", "kubernetes.io/tls"]),
    "without data": ([secret("cacerts")], False, []),
    "the self-signed CA": ([secret("istio-ca-secret", "istio.io/ca-root", {"x": ""})], False, []),
    "not issued": ([secret("cacerts", data=FORM)], True, ["not issued by cert-manager"]),
    "issued": ([secret("cacerts", "kubernetes.io/tls", {"tls.crt": ""}, annotations={ISSUED: "cacerts"})], True, []),
    "nothing": ([], True, []),
}


@pytest.mark.parametrize("case", MISFITS)
def test_what_cannot_become_ours(case: str) -> None:
    found, by_cert_manager, expected = MISFITS[case]
    assert saving.misfits(found, by_cert_manager=by_cert_manager) == expected


WRITTEN: dict[str, tuple[Obj, bool, bool]] = {  # at all, besides those of this mesh
    "by cert-manager": (secret("a", annotations={ISSUED: "a"}), False, False),
    "by somebody": (secret("a", annotations={"x": "y"}), True, True),
    "by nobody knows": (secret("a", annotations=None, labels=None), True, True),
    "by this mesh": (secret("a", labels=OURS), True, False),
    "by another mesh": (secret("a", labels={**OURS, "mesh.meshops.io/mesh": "stock"}), True, True),
    "with our mesh's label only": (secret("a", labels={"mesh.meshops.io/mesh": "travel"}), True, True),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_what_cert_manager_has_not_written(case: str) -> None:
    found, counts, of_others = WRITTEN[case]
    assert saving.not_issued([found]) == ([found] if counts else [])
    assert saving.not_issued([found], "travel") == ([found] if of_others else [])


def certificate(name: str, namespace: str, **spec: Any) -> Obj:
    return {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def test_certificates_that_write_our_secrets() -> None:
    ours = [secret("cacerts"), secret("web", namespace="edge"), {**secret("ca"), "kind": "ConfigMap"}]
    rows = [("a", SYSTEM, "cacerts"), ("b", SYSTEM, "web"), ("c", "edge", "web"), ("d", SYSTEM, "ca")]
    found = [certificate(name, namespace, secretName=text) for name, namespace, text in rows]
    found += [certificate("e", SYSTEM), {"metadata": {"name": "f"}, "spec": None}]
    assert [one["metadata"]["name"] for one in saving.certificates_for(found, ours)] == ["a", "c"]


def asked(*found: Any, kind: str = "ClusterIssuer", namespace: str | None = None, api_version: str = "cert-manager.io/v1") -> Obj:
    return {"query": {"api_version": api_version, "kind": kind, "name": "corporate", "namespace": namespace}, "resources": list(found)}


def issuer(**ready: Any) -> Obj:
    return {"status": {"conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", **ready}]}}


ISSUERS: dict[str, tuple[Obj, list[str]]] = {
    "ready": (asked(issuer(status="True")), []),
    "not there": (asked(), ["ClusterIssuer corporate does not exist"]),
    "its kind is not there": ({**asked(), "resources": None}, ["ClusterIssuer corporate does not exist"]),
    "in a namespace": (asked(kind="Issuer", namespace=SYSTEM), [f"Issuer {SYSTEM}/corporate does not exist"]),
    "not ready": (
        asked(issuer(status="False", reason="ErrGetKeyPair", message="no such Secret")),
        ["ClusterIssuer corporate is not Ready (ErrGetKeyPair: no such Secret)"],
    ),
    "unknown": (
        asked(issuer(status="Unknown")),
        ["ClusterIssuer corporate is not Ready (no condition yet: is the controller of cert-manager running?)"],
    ),
    "without a status": (
        asked({"metadata": {}}),
        ["ClusterIssuer corporate is not Ready (no condition yet: is the controller of cert-manager running?)"],
    ),
    "conditions of another type": (
        asked({"status": {"conditions": "x"}}),
        ["ClusterIssuer corporate is not Ready (no condition yet: is the controller of cert-manager running?)"],
    ),
    "text of others is one line": (
        asked(issuer(status="False", reason="x\n::error::", message="y\x1b[0m")),
        ["ClusterIssuer corporate is not Ready (x\\n:\\:error::: y\\x1b[0m)"],
    ),
    "another group": (asked(api_version="sailoperator.io/v1", kind="IstioRevision"), []),
    "the core group": (asked(api_version="v1", kind="Secret"), []),
}  # fmt: skip


@pytest.mark.parametrize("case", ISSUERS)
def test_issuers_that_are_not_ready(case: str) -> None:
    answer, expected = ISSUERS[case]
    assert saving.unready_issuers([answer]) == expected
