# SPDX-License-Identifier: GPL-3.0-or-later
"""What the istiod of a ServiceMeshControlPlane does when its CA is another one: members get the root, its webhook the bundle."""

from __future__ import annotations

from typing import Any

from .base import Controller, Key
from .istiod_ca import ensure_authority
from .istiod_tls import serve

__all__ = ["ControlPlaneCa"]

Obj = dict[str, Any]
ROOT = "istio-ca-root-cert"
WEBHOOK = ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")


class ControlPlaneCa(Controller):
    """Keyed by the namespace of the control plane; its Deployment tells of restarts, its Secrets of new material."""

    name = "maistra-ca"
    kinds = (("apps/v1", "Deployment"), ("v1", "Secret"))

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.planes: dict[str, str] = {}
        self.roots: dict[str, bytes] = {}

    def keys_for(self, event: str, obj: Obj) -> list[Key]:
        meta = obj["metadata"]
        if obj["kind"] == "Secret":
            return [("Authority", "", meta["namespace"])] if meta["name"] in ("cacerts", "istio-ca-secret") else []
        labels = meta.get("labels") or {}
        if not labels.get("maistra.io/owner-name") or not meta["name"].startswith("istiod-"):
            return []
        if event == "DELETED" or not (obj.get("status") or {}).get("readyReplicas"):
            self.planes.pop(meta["namespace"], None)
            return []
        self.planes[meta["namespace"]] = labels["maistra.io/owner-name"]
        return [("Authority", "", meta["namespace"])]

    async def reconcile(self, key: Key) -> float | None:
        namespace = key[2]
        if namespace not in self.planes:
            return None
        authority = await ensure_authority(self.kube, self.bed, namespace, fresh=True)
        await serve(self.kube, self.bed, namespace, authority)
        if self.roots.get(namespace) == authority.root:
            return None
        data = {"root-cert.pem": authority.root.decode()}
        members = await self.kube.list("v1", "Namespace", labelSelector=f"maistra.io/member-of={namespace}")
        for where in (namespace, *(space["metadata"]["name"] for space in members)):
            found = await self.kube.get("v1", "ConfigMap", ROOT, where)
            if found and found.get("data") != data:
                await self.kube.patch({"apiVersion": "v1", "kind": "ConfigMap", **found}, {"data": data})
        hook = await self.kube.get(*WEBHOOK, f"istiod-{self.planes[namespace]}-{namespace}")
        if hook:
            hooks = [{**one, "clientConfig": {**one["clientConfig"], "caBundle": authority.bundle}} for one in hook["webhooks"]]
            if hooks != hook["webhooks"]:
                await self.kube.patch({"apiVersion": WEBHOOK[0], "kind": WEBHOOK[1], **hook}, {"webhooks": hooks})
        self.roots[namespace] = authority.root
        return None
