# SPDX-License-Identifier: GPL-3.0-or-later
"""The admission server that plays every istiod of a bed: sidecar injection and configuration validation.

Which istiod is meant, the TLS server name says (`istiod-REV.NAMESPACE.svc`); what it injects, its ConfigMaps say, as with the real one.
An istiod without a ready pod answers nobody. Faults, under "injector": {"down": true}.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from typing import Any

import yaml
from aiohttp import web

from .asking import asking, gated
from .base import LOG, Controller
from .certificates import server_context
from .istiod_ca import authorities, ensure_authority
from .podinject import Injector, inject, json_patch
from .validation import problems

__all__ = ["CONTROLLERS", "InjectorServer", "authorities", "ensure_authority", "injector_config", "maistra_webhook"]

Obj = dict[str, Any]
# How long an answer about an istiod is believed; a flood of pods asks for it thousands of times.
BELIEVED = 1.0


def injector_config(
    name: str,
    namespace: str,
    *,
    revision: str,
    image: str,
    policy: str = "enabled",
    cni: bool = False,
    labels: dict[str, str] | None = None,
    prometheus_merge: bool = True,
) -> list[Obj]:
    """The ConfigMaps that an istiod named istiod-NAME (or istiod, for an empty name) injects by; image is the proxy's full reference."""
    suffix = f"-{name}" if name else ""
    values = {"global": {"istioNamespace": namespace, "proxy": {"image": image}}, "pilot": {"cni": {"enabled": cni}}, "revision": revision}

    def config_map(prefix: str, data: dict[str, str]) -> Obj:
        meta = {"name": prefix + suffix, "namespace": namespace, "labels": {"istio.io/rev": revision or "default", **(labels or {})}}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}

    return [
        config_map(
            "istio-sidecar-injector",
            {"config": yaml.safe_dump({"policy": policy, "defaultTemplates": ["sidecar"]}), "values": json.dumps(values, sort_keys=True)},
        ),
        config_map("istio", {"mesh": yaml.safe_dump({"rootNamespace": namespace, "enablePrometheusMerge": prometheus_merge})}),
    ]


def maistra_webhook(name: str, namespace: str, ca_bundle: str) -> dict[str, Any]:
    """The injection webhook of a ServiceMeshControlPlane: every pod of a member namespace passes, the injector decides."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {
            "name": f"istiod-{name}-{namespace}",
            "labels": {"app": "sidecar-injector", "istio.io/rev": name, "release": "istio", "maistra.io/owner": namespace},
        },
        "webhooks": [
            {
                "name": "sidecar-injector.istio.io",
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "admissionReviewVersions": ["v1beta1", "v1"],
                "clientConfig": {
                    "service": {"name": f"istiod-{name}", "namespace": namespace, "path": "/inject", "port": 443},
                    "caBundle": ca_bundle,
                },
                "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "scope": "*"}],
                "namespaceSelector": {
                    "matchExpressions": [
                        {"key": "maistra.io/member-of", "operator": "In", "values": [namespace]},
                        {"key": "maistra.io/ignore-namespace", "operator": "DoesNotExist"},
                        {"key": "istio-injection", "operator": "NotIn", "values": ["disabled"]},
                        {"key": "istio-env", "operator": "DoesNotExist"},
                    ]
                },
                "objectSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["istiod"]}]},
            }
        ],
    }


class InjectorServer(Controller):
    """HTTPS on bed.json's injector_port, for all istiods of the bed."""

    name = "injector"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._contexts: dict[str, tuple[bytes, ssl.SSLContext]] = {}
        self._believed: dict[str, tuple[float, Injector | None]] = {}

    def _context_for(self, connection: Any, server_name: str | None, _initial: ssl.SSLContext) -> None:
        """A certificate for the name that was asked for, signed by the CA of that control plane."""
        name = server_name or "istiod.istio-system.svc"
        namespace = [*name.split("."), ""][1]
        authority = authorities(self.bed).of(namespace)
        if name not in self._contexts or self._contexts[name][0] != authority.cert:
            self._contexts[name] = (authority.cert, server_context(*authority.leaf(name)))
        connection.context = self._contexts[name][1]

    async def run(self) -> None:
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/inject{rest:.*}", self._inject)
        app.router.add_post("/validate{rest:.*}", self._validate)
        app.router.add_get("/ready", self._alive)
        context = server_context(*authorities(self.bed).of("istio-system").leaf("istiod.istio-system.svc"))
        context.sni_callback = self._context_for  # type: ignore[assignment]
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", int(self.bed["injector_port"]), ssl_context=context).start()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _alive(self, request: web.Request) -> web.Response:
        return web.Response(status=503 if self.faults.get("down") else 200)

    async def _load(self, name: str, namespace: str) -> Injector | None:
        """What the istiod of this Service injects, None when none of its pods is ready."""
        suffix = name.removeprefix("istiod")
        deployment = await self.kube.get("apps/v1", "Deployment", name, namespace)
        if not deployment or not (deployment.get("status") or {}).get("readyReplicas"):
            return None
        config = await self.kube.get("v1", "ConfigMap", "istio-sidecar-injector" + suffix, namespace)
        mesh = await self.kube.get("v1", "ConfigMap", "istio" + suffix, namespace)
        return Injector.parse(namespace, (config or {}).get("data") or {}, (mesh or {}).get("data") or {}, deployment)

    async def _injector(self, request: web.Request) -> Injector:
        """The istiod that this request is for, or a closed connection."""
        name, namespace = [*request.host.split(":")[0].split("."), "", ""][:2]
        key = f"{namespace}/{name}"
        until, found = self._believed.get(key, (0.0, None))
        if found is None or until < time.monotonic():
            found = None if self.faults.get("down") else await self._load(name, namespace)
            self._believed[key] = (time.monotonic() + BELIEVED, found)
        if found is None or self.faults.get("down"):
            if request.transport:
                request.transport.abort()
            raise web.HTTPServiceUnavailable
        return found

    async def _inject(self, request: web.Request) -> web.Response:
        injector = await self._injector(request)
        review = await request.json()
        asked = review["request"]
        response: Obj = {"uid": asked["uid"], "allowed": True}
        namespace = asked.get("namespace") or "default"
        changed = inject(injector, asked["object"], namespace)
        if changed is not None:
            patch = json.dumps(json_patch(asked["object"], gated(changed, namespace, asking(self.bed)))).encode()
            response.update(patchType="JSONPatch", patch=base64.b64encode(patch).decode())
        return self._answer(review, response)

    async def _validate(self, request: web.Request) -> web.Response:
        await self._injector(request)
        review = await request.json()
        found = problems(review["request"].get("object") or {})
        response: Obj = {"uid": review["request"]["uid"], "allowed": not found}
        if found:
            LOG.info("refused: %s", found)
            response["status"] = {"message": f"configuration is invalid: {'; '.join(found)}", "code": 400, "reason": "BadRequest"}
        return self._answer(review, response)

    @staticmethod
    def _answer(review: Obj, response: Obj) -> web.Response:
        return web.json_response({"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response})


CONTROLLERS: list[type[Controller]] = [InjectorServer]
