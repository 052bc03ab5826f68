# SPDX-License-Identifier: GPL-3.0-or-later
"""When cert-manager is done, and whose reason is shown when it is not. Statuses as cert-manager v1.19.1 wrote them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.readiness import judge
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot

Obj = dict[str, Any]
GROUP = "cert-manager.io/v1"
NOT_THERE = "Issuing certificate as Secret does not exist"
UP_TO_DATE = "Certificate is up to date and has not expired"


def obj(kind: str, name: str, *conditions: tuple[str, str, str, str], api: str = GROUP, seen: int | None = None, **body: Any) -> Obj:
    rows = [dict(zip(("type", "status", "reason", "message"), row, strict=True)) for row in conditions]
    if seen is not None:
        rows = [{**row, "observedGeneration": seen} for row in rows]
    status = {**({"conditions": rows} if rows else {}), **body.pop("status", {})}
    meta = {"name": name, "generation": 2, **({} if kind == "ClusterIssuer" else {"namespace": "mesh"}), **body.pop("metadata", {})}
    return {"apiVersion": api, "kind": kind, "metadata": meta, "status": status, **body}


def certificate(*conditions: tuple[str, str, str, str], kind: str = "Issuer", group: str = "cert-manager.io", **body: Any) -> Obj:
    ref = {"name": "root", "kind": kind, "group": group}
    return obj("Certificate", "web", *conditions, spec={"secretName": "web", "issuerRef": ref}, **body)


def request(*conditions: tuple[str, str, str, str], revision: int = 1, of: str = "web") -> Obj:
    notes = {"cert-manager.io/certificate-name": of, "cert-manager.io/certificate-revision": str(revision)}
    return obj("CertificateRequest", f"{of}-{revision}", *conditions, metadata={"annotations": notes})


MISSING = ("Ready", "False", "DoesNotExist", NOT_THERE)
ISSUING = ("Issuing", "True", "DoesNotExist", NOT_THERE)
DENIED = ("Denied", "True", "policy.cert-manager.io", "No policy approved this request")
APPROVED = ("Approved", "True", "cert-manager.io", "Certificate request has been approved by cert-manager.io")
READY = obj("Issuer", "root", ("Ready", "True", "KeyPairVerified", "Signing CA verified"), seen=2)
NO_SECRET = ("Ready", "False", "ErrGetKeyPair", 'Error getting keypair for CA issuer: secrets "root" not found')
FAILURE = {"lastFailureTime": "2026-11-21T20:53:05Z", "failedIssuanceAttempts": 1}
CASES: dict[str, tuple[Obj, tuple[Obj, ...], str, str, str]] = {
    "issued": (certificate(("Ready", "True", "Ready", UP_TO_DATE), seen=2), (), "ready", "Ready", ""),
    "issued for an older spec": (
        certificate(("Ready", "True", "Ready", UP_TO_DATE), seen=1),
        (READY,),
        "waiting",
        "NotObserved",
        "generation 1 of 2",
    ),
    "not looked at": (certificate(), (READY,), "waiting", "NoReadyCondition", "is its controller running?"),
    "denied": (
        certificate(MISSING, ("Issuing", "False", "policy.cert-manager.io", "will be retried"), status=FAILURE),
        (READY, request(DENIED, ("Ready", "False", "Denied", "The CertificateRequest was denied by an approval controller"))),
        "failed",
        "Denied",
        "CertificateRequest mesh/web-1: policy.cert-manager.io: No policy approved this request; cert-manager tries again an hour later; "
        "`cmctl renew -n mesh web`",
    ),
    "denied, and its request is gone": (
        certificate(
            MISSING, ("Issuing", "False", "policy.cert-manager.io", "The certificate request has failed: no policy"), status=FAILURE
        ),
        (READY,),
        "failed",
        "policy.cert-manager.io",
        "no policy",
    ),
    "an older request was denied": (
        certificate(MISSING, ISSUING),
        (READY, request(DENIED), request(APPROVED, revision=2), request(DENIED, revision=9, of="other")),
        "waiting",
        "DoesNotExist",
        "CertificateRequest mesh/web-2: NoReadyCondition: its issuer has not answered",
    ),
    "nobody approves": (certificate(MISSING, ISSUING), (READY, request()), "waiting", "DoesNotExist", "it has not been approved"),
    "the issuer refuses": (
        certificate(MISSING, ISSUING),
        (READY, request(APPROVED, ("Ready", "False", "Failed", "Error generating certificate template: bad usage"))),
        "failed",
        "Failed",
        "bad usage",
    ),
    "invalid": (
        certificate(MISSING, ISSUING),
        (READY, request(("InvalidRequest", "True", "BadName", "x is no name"))),
        "failed",
        "InvalidRequest",
        "x is no name",
    ),
    "issued, not written": (
        certificate(MISSING, ISSUING),
        (READY, request(APPROVED, ("Ready", "True", "Issued", "Certificate fetched from issuer successfully"))),
        "waiting",
        "DoesNotExist",
        f"DoesNotExist: {NOT_THERE}; CertificateRequest mesh/web-1 was issued, its Secret is not right yet",
    ),
    "no issuer": (certificate(MISSING, ISSUING), (), "waiting", "DoesNotExist", "Issuer mesh/root does not exist"),
    "no cluster issuer": (
        certificate(MISSING, kind="ClusterIssuer"),
        (READY,),
        "waiting",
        "DoesNotExist",
        "ClusterIssuer root does not exist",
    ),
    "issuer of another group": (certificate(MISSING, group="awspca.io"), (), "waiting", "DoesNotExist", f"DoesNotExist: {NOT_THERE}"),
    "issuer not ready": (
        certificate(MISSING, ISSUING),
        (obj("Issuer", "root", NO_SECRET, seen=2),),
        "waiting",
        "DoesNotExist",
        'Issuer mesh/root is not ready: ErrGetKeyPair: Error getting keypair for CA issuer: secrets "root" not found',
    ),
    "renewal denied, the old one is good": (
        certificate(("Ready", "True", "Ready", UP_TO_DATE), ("Issuing", "False", "Denied", "no"), seen=2),
        (READY, request(DENIED)),
        "ready",
        "Ready",
        "",
    ),
    "an issuer": (READY, (), "ready", "Ready", ""),
    "an issuer of an older spec": (
        obj("Issuer", "root", ("Ready", "True", "IsReady", ""), seen=1),
        (),
        "waiting",
        "NotObserved",
        "generation 1 of 2",
    ),
    "an issuer whose CA comes": (obj("Issuer", "root", NO_SECRET), (), "waiting", "ErrGetKeyPair", "not found"),
    "an issuer without a CA": (
        obj("ClusterIssuer", "root", ("Ready", "False", "ErrInvalidKeyPair", "certificate is not a CA")),
        (),
        "failed",
        "ErrInvalidKeyPair",
        "not a CA",
    ),
    "an issuer that nobody saw": (obj("Issuer", "root"), (), "waiting", "NoReadyCondition", "is its controller running?"),
}


def related(*objects: Obj) -> Snapshot:
    return Snapshot("west", datetime(2026, 11, 21, tzinfo=UTC), "cluster", None, objects)


@pytest.mark.parametrize("title", CASES)
def test_cert_manager(title: str) -> None:
    subject, others, state, reason, text = CASES[title]
    found = judge(subject, related(subject, *others))
    assert (found.state, found.reason) == (state, reason), found
    assert text in found.message


def test_a_request_that_is_tried_again_is_given_time() -> None:
    """The denied request of the last try is there until cert-manager has deleted it."""
    again, over = (judge(certificate(MISSING, row), related(request(DENIED))) for row in (ISSUING, ("Issuing", "False", "x", "y")))
    assert (again.state, over.state) == ("failed", "failed") and again.grace > over.grace == 0


SPEC = {"istioCSRConfig": {"istio": {"namespace": "mesh", "revisions": ["default", "canary"]}}}
DONE = (("Degraded", "False", "Ready", ""), ("Ready", "True", "Ready", "reconciliation successful"))
NAMES = ["istiod.mesh.svc", "istiod-canary.mesh.svc"]


def istiod(names: list[str], *conditions: tuple[str, str, str, str]) -> Obj:
    return obj("Certificate", "istiod", *conditions, spec={"dnsNames": names, "issuerRef": {"name": "root"}})


def agent(ready: int) -> Obj:
    status = {"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": ready, "readyReplicas": ready, "replicas": 1}
    made = obj("Deployment", "cert-manager-istio-csr", api="apps/v1", spec={"replicas": 1}, status=status)
    return {**made, "metadata": {**made["metadata"], "namespace": "istio-csr"}}


GOOD = ("Ready", "True", "Ready", UP_TO_DATE)


@pytest.mark.parametrize(
    ("conditions", "others", "state", "reason", "text"),
    [
        ((), (), "waiting", "NoReadyCondition", "is its feature IstioCSR on?"),
        ((("Degraded", "True", "Failed", "no rights"),), (), "failed", "Failed", "no rights"),
        ((("Ready", "False", "Progressing", "retrying: x"),), (), "waiting", "Progressing", "retrying: x"),
        (DONE, (), "waiting", "CertificateMissing", "Certificate mesh/istiod is not there"),
        (DONE, (istiod(NAMES[:1], GOOD), agent(1)), "waiting", "OldCertificate", "has not got the names istiod-canary.mesh.svc"),
        (DONE, (istiod(NAMES, MISSING), agent(1)), "waiting", "DoesNotExist", "Issuer mesh/root does not exist"),
        (DONE, (istiod(NAMES, GOOD),), "waiting", "DeploymentMissing", "Deployment istio-csr/cert-manager-istio-csr is not there"),
        (DONE, (istiod(NAMES, GOOD), agent(0)), "waiting", "RollingOut", "availableReplicas 0 of 1"),
        (DONE, (istiod(NAMES, GOOD), agent(1)), "ready", "Ready", ""),
    ],
)
def test_istio_csr(conditions: tuple[Any, ...], others: tuple[Obj, ...], state: str, reason: str, text: str) -> None:
    subject = obj("IstioCSR", "default", *conditions, api="operator.openshift.io/v1alpha1", spec=SPEC, metadata={"namespace": "istio-csr"})
    found = judge(subject, related(*others))
    assert (found.state, found.reason) == (state, reason), found
    assert text in found.message
