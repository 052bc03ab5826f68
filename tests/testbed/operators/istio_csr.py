# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator of IstioCSR, played: istio-csr's Deployment and Service, and istiod's Certificate. Faults: see `cert_manager.py`."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

from .base import Controller, Key
from .cert_manager_rules import with_condition

__all__ = ["CONTROLLERS", "IstioCsrController"]

Obj = dict[str, Any]
VERSION, CSR_VERSION = "cert-manager.io/v1", "operator.openshift.io/v1alpha1"


class IstioCsrController(Controller):
    """The operator of IstioCSR: istio-csr's Deployment and Service, and istiod's Certificate with a name for each listed revision."""

    name = "cert_manager"
    kinds = ((CSR_VERSION, "IstioCSR"),)

    async def reconcile(self, key: Key) -> float | None:
        obj = await self.kube.get(CSR_VERSION, "IstioCSR", key[2], key[1])
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return None
        obj = {"apiVersion": CSR_VERSION, "kind": "IstioCSR", **obj}
        await asyncio.sleep(float(self.faults.get("delay") or 0))
        broken = (self.faults.get("degraded") or {}).get(key[1])
        if broken:
            text = f"reconciliation failed with irrecoverable error not retrying: {broken}"
            said = [("Degraded", "True", "Failed", text), ("Ready", "False", "Failed", text)]
        else:
            for made in self._objects(obj):
                await self.kube.apply(made)
            said = [("Degraded", "False", "Ready", ""), ("Ready", "True", "Ready", "reconciliation successful")]
        told = {**obj, "status": copy.deepcopy(obj.get("status") or {})}
        for row in said:
            told["status"]["conditions"] = with_condition(told, *row, generation=False)
        port = ((obj["spec"]["istioCSRConfig"].get("server") or {}).get("port")) or 443
        told["status"]["istioCSRGRPCEndpoint"] = f"cert-manager-istio-csr.{key[1]}.svc:{port}"
        if told["status"] != obj.get("status"):
            await self.kube.patch(obj, {"status": told["status"]}, sub="status")
        return None

    @staticmethod
    def _objects(obj: Obj) -> list[Obj]:
        config, namespace = obj["spec"]["istioCSRConfig"], obj["metadata"]["namespace"]
        home, tls = config["istio"]["namespace"], config["istiodTLSConfig"]
        revisions = config["istio"].get("revisions") or []
        names = list(tls.get("certificateDNSNames") or [])
        names += [f"istiod.{home}.svc" if one == "default" else f"istiod-{one}.{home}.svc" for one in revisions]
        labels = {"app": "cert-manager-istio-csr"}
        container = {
            "name": "cert-manager-istio-csr",
            "image": "quay.io/jetstack/cert-manager-istio-csr:v0.16.0",
            "args": [f"--certificate-namespace={home}", f"--istiod-cert-istio-revisions={','.join(revisions)}"],
        }
        certificate = {
            "commonName": tls.get("commonName") or f"istiod.{home}.svc",
            "dnsNames": names,
            "secretName": "istiod-tls",
            "uris": [f"spiffe://{tls['trustDomain']}/ns/{home}/sa/istiod-service-account"],
            "duration": "1h",
            "renewBefore": "30m",
            "issuerRef": config["certManager"]["issuerRef"],
            "privateKey": {"algorithm": "RSA", "size": 2048},
        }
        where = {"name": "cert-manager-istio-csr", "namespace": namespace, "labels": labels}
        return [
            {"apiVersion": VERSION, "kind": "Certificate", "metadata": {"name": "istiod", "namespace": home}, "spec": certificate},
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": where,
                "spec": {
                    "selector": labels,
                    "ports": [{"name": "web", "port": (config.get("server") or {}).get("port") or 443, "targetPort": 6443}],
                },
            },
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": where,
                "spec": {
                    "replicas": 1,
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
                },
            },
        ]


CONTROLLERS: list[type[Controller]] = [IstioCsrController]
