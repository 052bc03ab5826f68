# SPDX-License-Identifier: GPL-3.0-or-later
"""cert-manager, played: issuers `selfSigned` and `ca`, Certificates, their requests and Secrets; with the operator of `istio_csr.py`.

MESH_CERT_MANAGER names the binary of a real cert-manager controller that runs in its place; the operator of IstioCSR is still played.

Faults, under "cert_manager": delay (seconds before a request is answered), deny ({certificate: message}), fail ({certificate: message}),
never_ready ([certificate]: its request gets no answer), approve (false: nobody approves anything),
degraded ({namespace of an IstioCSR: message}).
"""

from __future__ import annotations

import asyncio
import base64
import datetime
import json
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from .base import Controller, Key, conditions_of, now
from .cert_manager_rules import (
    Signer,
    backoff,
    ca_signer,
    issuer_condition,
    new_key,
    request,
    sign,
    status_times,
    violation,
    with_condition,
)
from .istio_csr import IstioCsrController

__all__ = ["CONTROLLERS", "CertManagerController"]

Obj = dict[str, Any]
VERSION = "cert-manager.io/v1"
MANAGER = "cert-manager-certificates-issuing"  # as whom the real one writes Secrets
NAME, REVISION, KEY_SECRET = (f"cert-manager.io/{word}" for word in ("certificate-name", "certificate-revision", "private-key-secret-name"))
HOME = "cert-manager"  # where ClusterIssuers have their Secrets
POLL = 60.0


def _stamp(at: datetime.datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _utc() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def _reason(obj: Obj, kind: str, status: str = "True") -> Obj | None:
    return next((one for one in conditions_of(obj.get("status")) if one["type"] == kind and one["status"] == status), None)


class CertManagerController(Controller):
    """One queue for all kinds, as an event of one is news for the others."""

    name = "cert_manager"
    kinds = ((VERSION, "Issuer"), (VERSION, "ClusterIssuer"), (VERSION, "Certificate"), (VERSION, "CertificateRequest"), ("v1", "Secret"))
    workers = 4

    def keys_for(self, event: str, obj: dict[str, Any]) -> list[Key]:
        kind, namespace = obj["kind"], obj["metadata"].get("namespace", "")
        if kind == "CertificateRequest":
            owner = (obj["metadata"].get("annotations") or {}).get(NAME)
            return [(kind, namespace, obj["metadata"]["name"]), *([("Certificate", namespace, owner)] if owner else [])]
        others = {
            "Secret": ("Certificate", "Issuer", "ClusterIssuer"),
            "Issuer": ("CertificateRequest",),
            "ClusterIssuer": ("CertificateRequest",),
        }
        told = [key for key in self._seen if key[0] in others.get(kind, ()) and (key[1] == namespace or "ClusterIssuer" in (kind, key[0]))]
        return told if kind == "Secret" else [(kind, namespace, obj["metadata"]["name"]), *told]

    async def reconcile(self, key: Key) -> float | None:
        obj = await self.kube.get(VERSION, key[0], key[2], key[1] or None)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return None
        obj = {"apiVersion": VERSION, "kind": key[0], **obj}
        if key[0] in ("Issuer", "ClusterIssuer"):
            await self._issuer(obj)
            return None
        if key[0] == "CertificateRequest":
            return await self._request(obj)
        return await self._certificate(obj)

    async def _say(self, obj: Obj, status: Obj) -> None:
        if any((obj.get("status") or {}).get(field) != value for field, value in status.items()):
            await self.kube.patch(
                obj, {"metadata": {"resourceVersion": obj["metadata"]["resourceVersion"]}, "status": status}, sub="status"
            )

    # -- issuers

    async def _ca_secret(self, issuer: Obj) -> Obj | None:
        name = (issuer["spec"].get("ca") or {}).get("secretName")
        return await self.kube.get("v1", "Secret", name, issuer["metadata"].get("namespace") or HOME) if name else None

    async def _issuer(self, issuer: Obj) -> None:
        said = issuer_condition(issuer, await self._ca_secret(issuer))
        await self._say(issuer, {"conditions": with_condition(issuer, "Ready", *said)})

    # -- requests

    async def _request(self, asked: Obj) -> float | None:
        name = (asked["metadata"].get("annotations") or {}).get(NAME, "")
        if _reason(asked, "Ready") or _reason(asked, "Denied") or name in (self.faults.get("never_ready") or ()):
            return None
        await asyncio.sleep(float(self.faults.get("delay") or 0))
        denied, failed = (self.faults.get("deny") or {}).get(name), (self.faults.get("fail") or {}).get(name)
        if denied and not _reason(asked, "Approved"):
            asked["status"] = {"conditions": with_condition(asked, "Denied", "True", "policy.cert-manager.io", denied, generation=False)}
            text = "The CertificateRequest was denied by an approval controller"
            found = with_condition(asked, "Ready", "False", "Denied", text, generation=False)
            await self.kube.patch(asked, {"status": {"conditions": found, "failureTime": now()}}, sub="status")
            return None
        if not _reason(asked, "Approved"):
            if self.faults.get("approve", True):
                text = "Certificate request has been approved by cert-manager.io"
                await self._say(asked, {"conditions": with_condition(asked, "Approved", "True", "cert-manager.io", text, generation=False)})
            return None
        if failed:
            if (_reason(asked, "Ready", "False") or {}).get("reason") != "Failed":
                found = with_condition(asked, "Ready", "False", "Failed", failed, generation=False)
                await self._say(asked, {"conditions": found, "failureTime": now()})
            return None
        return await self._answer(asked)

    async def _answer(self, asked: Obj) -> float | None:
        """The issuer's signature, or why there is none yet."""
        ref, namespace = asked["spec"]["issuerRef"], asked["metadata"]["namespace"]
        kind = ref.get("kind") or "Issuer"
        issuer = await self.kube.get(VERSION, kind, ref["name"], namespace if kind == "Issuer" else None)
        if issuer is None:
            text = f'Referenced "{kind}" not found: {kind.lower()}.cert-manager.io "{ref["name"]}" not found'
        elif not _reason(issuer, "Ready"):
            text = "Referenced issuer does not have a Ready status condition"
        else:
            signer = await self._signer(asked, issuer)
            if signer is not None:
                cert, root = await asyncio.to_thread(sign, asked["spec"], signer, _utc())
                ready = with_condition(asked, "Ready", "True", "Issued", "Certificate fetched from issuer successfully", generation=False)
                coded = {"certificate": base64.b64encode(cert).decode(), "ca": base64.b64encode(root).decode()}
                await self._say(asked, {"conditions": ready, **coded})
                return None
            text = "Referenced secret not found"
        await self._say(asked, {"conditions": with_condition(asked, "Ready", "False", "Pending", text, generation=False)})
        return None

    async def _signer(self, asked: Obj, issuer: Obj) -> Signer | None:
        if "selfSigned" not in issuer["spec"]:
            return ca_signer(await self._ca_secret(issuer))
        name = (asked["metadata"].get("annotations") or {}).get(KEY_SECRET, "")
        key = await self._key(asked["metadata"]["namespace"], name)
        return Signer(key) if key is not None else None

    # -- certificates

    async def _key(self, namespace: str, name: str) -> Any:
        secret = await self.kube.get("v1", "Secret", name, namespace) if name else None
        data = ((secret or {}).get("data") or {}).get("tls.key")
        return serialization.load_pem_private_key(base64.b64decode(data), None) if data else None

    async def _certificate(self, cert: Obj) -> float | None:
        meta, spec = cert["metadata"], cert["spec"]
        secret = await self.kube.get("v1", "Secret", spec["secretName"], meta["namespace"])
        wrong = violation(cert, secret, _utc())
        status: Obj = {}
        if wrong is None and secret is not None:
            leaf = x509.load_pem_x509_certificates(base64.b64decode(secret["data"]["tls.crt"]))[0]
            times = dict(zip(("notBefore", "notAfter", "renewalTime"), map(_stamp, status_times(cert, leaf)), strict=True))
            done = with_condition(cert, "Ready", "True", "Ready", "Certificate is up to date and has not expired")
            status = {
                "conditions": [one for one in done if one["type"] != "Issuing"],
                **times,
                "revision": (cert.get("status") or {}).get("revision") or 1,
                "lastFailureTime": None,
                "failedIssuanceAttempts": None,
            }
            await self._say(
                cert, {field: value for field, value in status.items() if value is not None or field in (cert.get("status") or {})}
            )
            return POLL
        assert wrong is not None
        ready = wrong[0] == "Renewing"  # the old certificate is still good
        cert["status"] = {
            **(cert.get("status") or {}),
            "conditions": with_condition(
                cert,
                "Ready",
                "True" if ready else "False",
                *(("Ready", "Certificate is up to date and has not expired") if ready else wrong),
            ),
        }
        asked = await self._asked(cert)
        if backoff(cert, _utc()) and (asked is None or self._same(asked, spec)):
            await self.kube.patch(cert, {"status": cert["status"]}, sub="status")
            return POLL
        return await self._issue(cert, asked, wrong)

    async def _asked(self, cert: Obj) -> Obj | None:
        return await self.kube.get(VERSION, "CertificateRequest", self._name_of(cert), cert["metadata"]["namespace"])

    @staticmethod
    def _name_of(cert: Obj) -> str:
        return f"{cert['metadata']['name']}-{int((cert.get('status') or {}).get('revision') or 0) + 1}"

    @staticmethod
    def _same(asked: Obj, spec: Obj) -> bool:
        """Whether a request is still what its Certificate wants; a shape of the spec is kept beside it."""
        return bool((asked["metadata"].get("annotations") or {}).get("testbed.example.com/spec") == json.dumps(spec, sort_keys=True))

    async def _issue(self, cert: Obj, asked: Obj | None, wrong: tuple[str, str]) -> float | None:
        if asked is None or not self._same(asked, cert["spec"]):
            if asked is not None:
                await self.kube.delete({"apiVersion": VERSION, "kind": "CertificateRequest", **asked})
            issuing = with_condition(cert, "Issuing", "True", wrong[0], wrong[1])
            await self.kube.patch(cert, {"status": {"conditions": issuing}}, sub="status")
            await self._ask(cert)
            return None
        end = _reason(asked, "Denied") or _reason(asked, "InvalidRequest")
        ready = _reason(asked, "Ready", "False")
        end = end or (ready if ready and ready["reason"] == "Failed" else None)
        if end is not None:
            text = f"The certificate request has failed to complete and will be retried: {end['message']}"
            attempts = int(cert["status"].get("failedIssuanceAttempts") or 0) + 1
            failed = {"conditions": with_condition(cert, "Issuing", "False", end["reason"], text), "lastFailureTime": now()}
            await self.kube.patch(cert, {"status": {**failed, "failedIssuanceAttempts": attempts}}, sub="status")
        elif _reason(asked, "Ready"):
            await self._deliver(cert, asked)
        else:
            await self.kube.patch(cert, {"status": {"conditions": cert["status"]["conditions"]}}, sub="status")
        return None

    async def _ask(self, cert: Obj) -> None:
        """The next key in a Secret of its own, and the request."""
        meta, spec, name = cert["metadata"], cert["spec"], self._name_of(cert)
        keep = (spec.get("privateKey") or {}).get("rotationPolicy") == "Never"
        old = await self._key(meta["namespace"], spec["secretName"]) if keep else None
        key: Any = old if old is not None else await asyncio.to_thread(new_key, spec)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        owner = [{"apiVersion": VERSION, "kind": "Certificate", "name": meta["name"], "uid": meta["uid"], "controller": True}]
        where = {"namespace": meta["namespace"], "ownerReferences": owner}
        await self.kube.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": f"{name}-key", **where},
                "data": {"tls.key": base64.b64encode(pem).decode()},
            }
        )
        notes = {
            NAME: meta["name"],
            REVISION: name.rpartition("-")[2],
            KEY_SECRET: f"{name}-key",
            "testbed.example.com/spec": json.dumps(spec, sort_keys=True),
        }
        asked = {field: spec[field] for field in ("duration", "issuerRef", "isCA", "usages") if spec.get(field) is not None}
        asked["request"] = base64.b64encode(request(spec, key)).decode()
        await self.kube.create(
            {
                "apiVersion": VERSION,
                "kind": "CertificateRequest",
                "spec": asked,
                "metadata": {"name": name, "annotations": notes, "labels": meta.get("labels") or {}, **where},
            }
        )

    async def _deliver(self, cert: Obj, asked: Obj) -> None:
        """The Secret, then the revision. One that is there keeps its type and its other items."""
        meta, spec, ref = cert["metadata"], cert["spec"], cert["spec"]["issuerRef"]
        key_name = asked["metadata"]["annotations"][KEY_SECRET]
        key = await self.kube.get("v1", "Secret", key_name, meta["namespace"])
        template = spec.get("secretTemplate") or {}
        notes = {
            **(template.get("annotations") or {}),
            NAME: meta["name"],
            "cert-manager.io/issuer-name": ref["name"],
            "cert-manager.io/issuer-kind": ref.get("kind") or "Issuer",
            "cert-manager.io/issuer-group": ref.get("group") or "cert-manager.io",
        }
        labels = {**(template.get("labels") or {}), "controller.cert-manager.io/fao": "true"}
        there = await self.kube.get("v1", "Secret", spec["secretName"], meta["namespace"]) or {}
        data = {
            "tls.crt": asked["status"]["certificate"],
            "ca.crt": asked["status"]["ca"],
            "tls.key": (key or {"data": {}})["data"].get("tls.key"),
        }
        await self.kube.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": there.get("type") or "kubernetes.io/tls",
                "data": data,
                "metadata": {"name": spec["secretName"], "namespace": meta["namespace"], "annotations": notes, "labels": labels},
            },
            MANAGER,
        )
        left = [one for one in conditions_of(cert["status"]) if one["type"] != "Issuing"]
        revision = int(asked["metadata"]["annotations"][REVISION])
        await self.kube.patch(cert, {"status": {"conditions": left, "revision": revision}}, sub="status")
        if key is not None:
            await self.kube.delete({"apiVersion": "v1", "kind": "Secret", **key})


CONTROLLERS: list[type[Controller]] = [CertManagerController, IstioCsrController]
