# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of OpenShift that a mesh meets: the router that admits Routes, and the service CA.

Faults, under "openshift": reject ({"namespace/name": reason}) keeps a Route from being admitted.
"""

from __future__ import annotations

import base64
from typing import Any

from .base import ApiError, Controller, Key, now
from .charts import owner
from .injection import authorities

__all__ = ["CONTROLLERS", "RouterController", "ServiceCAController", "admission", "host_of"]

Obj = dict[str, Any]
DOMAIN = "apps.bed.example.com"
ROUTE = "route.openshift.io/v1"
PREFIX = "service.beta.openshift.io/"
SERVING, INJECT = PREFIX + "serving-cert-secret-name", PREFIX + "inject-cabundle"
SIGNER = "openshift-service-serving-signer"


def host_of(route: Obj) -> str:
    """The host that a Route without one gets."""
    return f"{route['metadata']['name']}-{route['metadata']['namespace']}.{DOMAIN}"


def admission(route: Obj, rivals: list[Obj], rejected: str | None = None) -> Obj:
    """The condition Admitted: of Routes with the same host and path in several namespaces the oldest has it."""
    if rejected:
        return {"type": "Admitted", "status": "False", "reason": "RouteNotAdmitted", "message": rejected}

    def age(obj: Obj) -> tuple[str, str]:
        return obj["metadata"]["creationTimestamp"], obj["metadata"]["uid"]

    def claim(obj: Obj) -> tuple[str, str]:
        return obj["spec"].get("host", ""), obj["spec"].get("path", "")

    space = route["metadata"]["namespace"]
    older = [o for o in rivals if claim(o) == claim(route) and o["metadata"]["namespace"] != space and age(o) < age(route)]
    if older:
        first = min(older, key=age)["metadata"]
        return {
            "type": "Admitted",
            "status": "False",
            "reason": "HostAlreadyClaimed",
            "message": f"route {first['name']} already exposes {route['spec']['host']} and is older",
        }
    return {"type": "Admitted", "status": "True"}


class RouterController(Controller):
    """Gives Routes their hosts and admits them."""

    name = "openshift"
    kinds = ((ROUTE, "Route"),)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.routes: dict[tuple[str, str], Obj] = {}

    def keys_for(self, event: str, obj: Obj) -> list[Key]:
        ident = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        self.routes.pop(ident, None)
        if event != "DELETED":
            self.routes[ident] = obj
        host = obj["spec"].get("host")
        # A Route that goes away may free the host that another one waits for.
        waiting = [("Route", *other) for other, route in self.routes.items() if event == "DELETED" and route["spec"].get("host") == host]
        return [("Route", *ident), *waiting]

    async def reconcile(self, key: Key) -> float | None:
        route = await self.kube.get(ROUTE, "Route", key[2], key[1])
        if route is None or route["metadata"].get("deletionTimestamp"):
            return None
        if not route["spec"].get("host"):
            await self.kube.patch(
                route, {"metadata": {"annotations": {"openshift.io/host.generated": "true"}}, "spec": {"host": host_of(route)}}
            )
            return None
        found = admission(route, list(self.routes.values()), (self.faults.get("reject") or {}).get(f"{key[1]}/{key[2]}"))
        old: Obj = next((i for i in (route.get("status") or {}).get("ingress") or [] if i.get("routerName") == "default"), {})
        before: Obj = next((c for c in old.get("conditions") or [] if c["type"] == "Admitted"), {})
        since = before["lastTransitionTime"] if before.get("status") == found["status"] else now()
        ingress = {
            "host": route["spec"]["host"],
            "routerName": "default",
            "routerCanonicalHostname": f"router-default.{DOMAIN}",
            "wildcardPolicy": route["spec"].get("wildcardPolicy") or "None",
            "conditions": [{**found, "lastTransitionTime": since}],
        }
        if old != ingress:
            await self.kube.patch(route, {"status": {"ingress": [ingress]}}, sub="status")
        return None


class ServiceCAController(Controller):
    """Makes the TLS Secret that a Service asks for, and fills ConfigMaps that ask for the CA."""

    name = "openshift"
    kinds = (("v1", "Service"), ("v1", "ConfigMap"))

    def keys_for(self, event: str, obj: Obj) -> list[Key]:
        annotations = obj["metadata"].get("annotations") or {}
        asks = SERVING in annotations if obj["kind"] == "Service" else annotations.get(INJECT) == "true"
        return super().keys_for(event, obj) if asks and event != "DELETED" else []

    async def reconcile(self, key: Key) -> float | None:
        kind, namespace, name = key
        obj = await self.kube.get("v1", kind, name, namespace)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return None
        signer = authorities(self.bed).of(SIGNER)
        if kind == "ConfigMap":
            root = signer.root.decode()
            if (obj.get("data") or {}).get("service-ca.crt") != root:
                await self.kube.patch(obj, {"data": {"service-ca.crt": root}})
            return None
        await self._serving(obj, namespace, name)
        return None

    async def _serving(self, service: Obj, namespace: str, name: str) -> None:
        secret_name = service["metadata"]["annotations"][SERVING]
        found = await self.kube.get("v1", "Secret", secret_name, namespace)
        if found is None:
            names = [f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local"]
            cert, key = authorities(self.bed).of(SIGNER).leaf(*names)
            secret = {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "kubernetes.io/tls",
                "metadata": {
                    "name": secret_name,
                    "namespace": namespace,
                    "ownerReferences": [{**owner(service), "controller": False, "blockOwnerDeletion": False}],
                    "annotations": {
                        PREFIX + "originating-service-name": name,
                        PREFIX + "originating-service-uid": service["metadata"]["uid"],
                    },
                },
                "data": {"tls.crt": base64.b64encode(cert).decode(), "tls.key": base64.b64encode(key).decode()},
            }
            try:
                await self.kube.create(secret)
            except ApiError as error:
                if error.status != 409:
                    raise
        elif (found["metadata"].get("annotations") or {}).get(PREFIX + "originating-service-name") != name:
            message = f"secret {namespace}/{secret_name} does not have corresponding service UID {service['metadata']['uid']}"
            await self.kube.patch(service, {"metadata": {"annotations": {PREFIX + "serving-cert-generation-error": message}}})
            return
        signed = PREFIX + "serving-cert-signed-by"
        if signed not in service["metadata"]["annotations"]:
            await self.kube.patch(service, {"metadata": {"annotations": {signed: SIGNER}}})


CONTROLLERS: list[type[Controller]] = [RouterController, ServiceCAController]
