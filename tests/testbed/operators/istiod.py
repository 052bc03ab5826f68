# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running istiod does on the cluster, whoever installed it (the played Sail operator, a real one, a chart).

It keeps the CA, publishes its root in every namespace that it discovers, and patches its own certificate into the webhooks that lead to
it. An istiod is a Deployment labelled app=istiod with a ready pod; Maistra's are labelled otherwise and are played by its own module.
"""

from __future__ import annotations

from typing import Any

import yaml

from .base import ApiError, Controller, Key
from .charts import IGNORED_NAMESPACES, root_config_map
from .istiod_ca import ensure_authority
from .istiod_tls import serve
from .status import discovers

__all__ = ["CONTROLLERS", "PlayedIstiod", "is_ready_istiod"]

Obj = dict[str, Any]
ROOT = "istio-ca-root-cert"
CA_SECRETS = ("cacerts", "istio-ca-secret")
ADMISSION = "admissionregistration.k8s.io/v1"
WEBHOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
Ident = tuple[str, str]  # namespace, name of an istiod


def is_ready_istiod(event: str, deployment: Obj) -> bool:
    """Whether this Deployment is an istiod that answers."""
    labels = deployment["metadata"].get("labels") or {}
    ready = (deployment.get("status") or {}).get("readyReplicas")
    return event != "DELETED" and labels.get("app") == "istiod" and bool(ready)


def _served_by(webhook: Obj) -> set[Ident]:
    services = [(hook.get("clientConfig") or {}).get("service") or {} for hook in webhook.get("webhooks") or []]
    return {(s["namespace"], s["name"]) for s in services if str(s.get("name", "")).startswith("istiod")}


class PlayedIstiod(Controller):
    """All istiods of the bed that Maistra did not make."""

    name = "istiod"
    kinds = (
        ("apps/v1", "Deployment"),
        ("v1", "ConfigMap"),
        ("v1", "Namespace"),
        ("v1", "Secret"),
        *((ADMISSION, kind) for kind in WEBHOOKS),
    )
    workers = 2

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.running: dict[Ident, str] = {}  # and since when: the oldest one serves a namespace
        self.selectors: dict[Ident, list[Obj]] = {}
        self.namespaces: dict[str, dict[str, str]] = {}
        self.webhooks: dict[tuple[str, str], set[Ident]] = {}
        self.roots: dict[str, bytes] = {}  # what the istiods of a namespace hand out

    def keys_for(self, event: str, obj: Obj) -> list[Key]:
        name = obj["metadata"]["name"]
        if obj["kind"] == "Deployment":
            return self._deployment(event, obj)
        if obj["kind"] == "ConfigMap":
            return self._config_map(obj)
        if obj["kind"] == "Secret":
            return [("Authority", "", obj["metadata"]["namespace"])] if name in CA_SECRETS else []
        if obj["kind"] == "Namespace":
            self.namespaces.pop(name, None)
            if event != "DELETED":
                self.namespaces[name] = obj["metadata"].get("labels") or {}
            return [("RootCertificate", "", name)]
        self.webhooks.pop((obj["kind"], name), None)
        if event != "DELETED" and _served_by(obj):
            self.webhooks[obj["kind"], name] = _served_by(obj)
        return [(obj["kind"], "", name)]

    def _deployment(self, event: str, obj: Obj) -> list[Key]:
        ident = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        ready = is_ready_istiod(event, obj)
        if ready == (ident in self.running):
            # A new pod may be another process behind the same Deployment.
            return [("Authority", "", ident[0])] if ready else []
        if not ready:
            del self.running[ident]
            return []
        self.running[ident] = obj["metadata"]["creationTimestamp"]
        return [*self._hooks_of(ident[0]), *self._all_namespaces(), ("Authority", "", ident[0])]

    def _hooks_of(self, namespace: str) -> list[Key]:
        return [(kind, "", name) for (kind, name), served in self.webhooks.items() if any(ident[0] == namespace for ident in served)]

    def _all_namespaces(self) -> list[Key]:
        return [("RootCertificate", "", name) for name in self.namespaces]

    def _config_map(self, obj: Obj) -> list[Key]:
        namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        if name == ROOT:
            return [("RootCertificate", "", namespace)]
        if name != "istio" and not name.startswith("istio-"):
            return []
        mesh = yaml.safe_load((obj.get("data") or {}).get("mesh") or "") or {}
        ident, selectors = (namespace, "istiod" + name.removeprefix("istio")), mesh.get("discoverySelectors") or []
        if self.selectors.get(ident, []) == selectors:
            return []
        self.selectors[ident] = selectors
        return self._all_namespaces()

    async def reconcile(self, key: Key) -> float | None:
        kind, _namespace, name = key
        if kind == "Authority":
            await self._authority(name)
        elif kind == "RootCertificate":
            await self._root_certificate(name)
        else:
            await self._webhook(kind, name)
        return None

    async def _authority(self, namespace: str) -> None:
        """After a restart, or a change of cacerts that it takes, istiod hands out its root and patches its webhooks again."""
        if not any(ident[0] == namespace for ident in self.running):
            return
        authority = await ensure_authority(self.kube, self.bed, namespace, fresh=True)
        await serve(self.kube, self.bed, namespace, authority)
        root = authority.root
        if self.roots.get(namespace) != root:
            self.roots[namespace] = root
            for key in [*self._hooks_of(namespace), *self._all_namespaces()]:
                self.enqueue(key)

    async def _root_certificate(self, namespace: str) -> None:
        labels = self.namespaces.get(namespace)
        if labels is None or namespace in IGNORED_NAMESPACES:
            return
        oldest = sorted(self.running, key=lambda ident: (self.running[ident], ident))
        istiod = next((ident for ident in oldest if discovers(self.selectors.get(ident, []), labels)), None)
        if istiod is None:
            return
        authority = await ensure_authority(self.kube, self.bed, istiod[0])
        wanted = root_config_map(namespace, authority.root.decode())
        found = await self.kube.get("v1", "ConfigMap", ROOT, namespace)
        if found and found.get("data") == wanted["data"]:
            return
        try:
            await self.kube.apply(wanted, "istiod")
        except ApiError as error:
            # A namespace that is going away takes nothing new.
            if error.status not in (403, 404):
                raise

    async def _webhook(self, kind: str, name: str) -> None:
        """The chart leaves caBundle empty and lets bad configuration pass until istiod is there; istiod puts both right."""
        found = await self.kube.get(ADMISSION, kind, name)
        if found is None:
            return
        found = {"apiVersion": ADMISSION, "kind": kind, **found}
        hooks = [await self._patched(kind, hook) for hook in found.get("webhooks") or []]
        if hooks != (found.get("webhooks") or []):
            await self.kube.patch(found, {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}, "webhooks": hooks})

    async def _patched(self, kind: str, hook: Obj) -> Obj:
        service = (hook.get("clientConfig") or {}).get("service") or {}
        ident = (service.get("namespace", ""), service.get("name", ""))
        if ident not in self.running:
            return hook
        bundle = (await ensure_authority(self.kube, self.bed, ident[0])).bundle
        closed = {"failurePolicy": "Fail"} if kind == "ValidatingWebhookConfiguration" else {}
        return {**hook, **closed, "clientConfig": {**hook["clientConfig"], "caBundle": bundle}}


CONTROLLERS: list[type[Controller]] = [PlayedIstiod]
