# SPDX-License-Identifier: GPL-3.0-or-later
"""What an istiod does for the Gateway API: its class, a Deployment and a Service for each Gateway, and the status of Gateways and routes.

Of Gateways of the class `istio`, and of HTTPRoutes at them; waypoints and routes of callers in the mesh are a real istiod's matter. A
Service of the type LoadBalancer gets its address from somebody else: nobody on a plain bed, as on a cluster without load balancers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .base import Controller, Key, conditions, conditions_of, now
from .charts import owner, selects
from .istiod import is_ready_istiod

__all__ = ["CONTROLLERS", "PlayedGatewayApi", "gateway_status", "route_status"]

Obj = dict[str, Any]
GROUP = "gateway.networking.k8s.io"
API = f"{GROUP}/v1"
CONTROLLER = "istio.io/gateway-controller"
CLASS = "istio"
NAME = f"{GROUP}/gateway-name"
SERVICE_TYPE = "networking.istio.io/service-type"
REVISION = "istio.io/rev"
HEALTH = {"name": "status-port", "port": 15021, "protocol": "TCP", "appProtocol": "tcp"}


def _condition(kind: str, good: bool, reason: str, message: str, generation: int) -> Obj:
    return {"type": kind, "status": "True" if good else "False", "reason": reason, "message": message, "observedGeneration": generation}


def _plain(obj: Obj, name: str) -> Obj:
    """What both its objects have of a Gateway: its labels and annotations come along, as with istiod."""
    labels = {**(obj["metadata"].get("labels") or {}), NAME: obj["metadata"]["name"], f"{GROUP}/gateway-class-name": CLASS}
    notes = obj["metadata"].get("annotations") or {}
    refs = [{key: value for key, value in owner(obj).items() if key not in ("controller", "blockOwnerDeletion")}]
    return {"name": name, "namespace": obj["metadata"]["namespace"], "labels": labels, "annotations": notes, "ownerReferences": refs}


def workload(obj: Obj, image: str, revision: str) -> list[Obj]:
    """The account, the Deployment and the Service of a Gateway."""
    name = f"{obj['metadata']['name']}-{CLASS}"
    meta = _plain(obj, name)
    own = {NAME: obj["metadata"]["name"]}
    managed = {"gateway.istio.io/managed": "istio.io-gateway-controller"}
    ports = {int(row["port"]): str(row["name"]) for row in reversed(obj["spec"]["listeners"])}
    pod = {
        "metadata": {
            "labels": {"sidecar.istio.io/inject": "false", **meta["labels"], **managed},
            "annotations": {**meta["annotations"], REVISION: revision},
        },
        "spec": {
            "serviceAccountName": name,
            "securityContext": {"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]},
            "containers": [
                {
                    "name": "istio-proxy",
                    "image": image,
                    "args": ["proxy", "router", "--domain", f"{meta['namespace']}.svc.cluster.local"],
                    "ports": [{"containerPort": 15021, "name": "status-port"}, {"containerPort": 15090, "name": "http-envoy-prom"}],
                    "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "privileged": False,
                        "readOnlyRootFilesystem": True,
                        "runAsNonRoot": True,
                        "runAsUser": 1337,
                        "runAsGroup": 1337,
                    },
                }
            ],
        },
    }
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {**meta, "labels": {**meta["labels"], **managed}},
            "spec": {"selector": {"matchLabels": own}, "template": pod},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {
                "type": meta["annotations"].get(SERVICE_TYPE, "LoadBalancer"),
                "selector": own,
                "ports": [HEALTH, *({"name": text, "port": port, "protocol": "TCP"} for port, text in sorted(ports.items()))],
            },
        },
    ]


def gateway_status(obj: Obj, service: Obj | None, ready: bool, secrets: set[str], attached: dict[str, int]) -> Obj:
    """secrets: the names of the Secrets of its namespace; attached: how many routes each listener has."""
    number, old = obj["metadata"]["generation"], conditions_of(obj.get("status"))
    rows, good = [], True
    before = {row["name"]: row for row in (obj.get("status") or {}).get("listeners") or []}
    for row in obj["spec"]["listeners"]:
        lost = [one["name"] for one in (row.get("tls") or {}).get("certificateRefs") or [] if one["name"] not in secrets]
        good = good and not lost
        text = (
            f"invalid certificate reference /Secret/{lost[0]}., secret {obj['metadata']['namespace']}/{lost[0]} not found" if lost else ""
        )
        rows.append(
            {
                "name": row["name"],
                "attachedRoutes": attached.get(row["name"], 0),
                "supportedKinds": [{"group": GROUP, "kind": "HTTPRoute"}],
                "conditions": conditions(
                    before.get(row["name"], {}).get("conditions") or [],
                    _condition("Accepted", True, "Accepted", "No errors found", number),
                    _condition("Conflicted", False, "NoConflicts", "No errors found", number),
                    _condition("Programmed", not lost, "Invalid" if lost else "Programmed", text or "No errors found", number),
                    _condition(
                        "ResolvedRefs", not lost, "InvalidCertificateRef" if lost else "ResolvedRefs", text or "No errors found", number
                    ),
                ),
            }
        )
    programmed, addresses = _address(obj, service, ready, number)
    accepted = _condition("Accepted", True, "Accepted", "Resource accepted", number)
    resolved = _condition("ResolvedRefs", True, "ResolvedRefs", "All references resolved", number)
    return {"addresses": addresses, "conditions": conditions(old, accepted, programmed, resolved), "listeners": rows}


def _address(obj: Obj, service: Obj | None, ready: bool, number: int) -> tuple[Obj, list[Obj]]:
    host = f"{obj['metadata']['name']}-{CLASS}.{obj['metadata']['namespace']}.svc.cluster.local"
    ports = " and ".join(dict.fromkeys(f"{host}:{row['port']}" for row in obj["spec"]["listeners"]))
    if service is None or not ready:
        why = "no instances found" if service is not None else "hostname not found"
        failed = f'Failed to assign to any requested addresses: {why} for hostname "{host}"'
        return _condition("Programmed", False, "AddressNotUsable", failed, number), []
    outer = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    if service["spec"].get("type") == "LoadBalancer" and not outer:
        text = f'Assigned to service(s) {ports}, but failed to assign to all requested addresses: address pending for hostname "{host}"'
        return _condition("Programmed", False, "AddressNotAssigned", text, number), []
    found = [{"type": "IPAddress", "value": row["ip"]} for row in outer if row.get("ip")] or [{"type": "Hostname", "value": host}]
    return _condition("Programmed", True, "Programmed", f"Resource programmed, assigned to service(s) {ports}", number), found


def _meets(listener: str, host: str) -> bool:
    """Whether two names have one in common, stars included."""
    if not listener or not host or listener == host:
        return True
    shorter, longer = sorted((listener, host), key=lambda name: not name.startswith("*."))
    return shorter.startswith("*.") and longer.removeprefix("*").endswith(shorter[1:])


def takes(listener: Obj, gateway: Obj, route: Obj, labels: dict[str, str]) -> str:
    """Why a listener does not take a route, or nothing. labels: of the route's namespace."""
    space = route["metadata"]["namespace"]
    hosts = route["spec"].get("hostnames") or [""]
    if not any(_meets(listener.get("hostname") or "", host) for host in hosts):
        return "NoMatchingListenerHostname"
    wanted = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    origin = wanted.get("from") or "Same"
    if origin == "Same" and space != gateway["metadata"]["namespace"]:
        return "NotAllowedByListeners"
    if origin == "Selector" and not selects(wanted.get("selector") or {}, {"kubernetes.io/metadata.name": space, **labels}):
        return "NotAllowedByListeners"
    return ""


def route_status(route: Obj, parents: list[tuple[Obj, str]], lost: list[str]) -> Obj:
    """parents: each parentRef of a Gateway of ours, and why it does not take the route; lost: Services that are not there."""
    number = route["metadata"]["generation"]
    found = (route.get("status") or {}).get("parents") or []
    foreign = [row for row in found if row.get("controllerName") != CONTROLLER]
    rows = []
    for ref, refused in parents:
        old: list[Obj] = next(
            (row["conditions"] for row in found if row.get("parentRef") == ref and row.get("controllerName") == CONTROLLER), []
        )
        text = f"{refused}: no listener of Gateway {ref['name']} takes it" if refused else "Route was valid"
        gone = f"backend({lost[0]}) not found" if lost else "All references resolved"
        rows.append(
            {
                "controllerName": CONTROLLER,
                "parentRef": ref,
                "conditions": conditions(
                    old,
                    _condition("Accepted", not refused, refused or "Accepted", text, number),
                    _condition("ResolvedRefs", not lost, "BackendNotFound" if lost else "ResolvedRefs", gone, number),
                ),
            }
        )
    return {"parents": [*foreign, *rows]}


class PlayedGatewayApi(Controller):
    """All Gateways of the class istio, once an istiod is there."""

    name = "gateway_api"
    kinds = (
        ("apps/v1", "Deployment"),
        ("v1", "Namespace"),
        ("v1", "Service"),
        ("v1", "Secret"),
        (API, "GatewayClass"),
        (API, "Gateway"),
        (API, "HTTPRoute"),
    )
    workers = 2

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.store: dict[str, dict[tuple[str, str], Obj]] = {kind: {} for _version, kind in self.kinds}

    def keys_for(self, event: str, obj: Obj) -> list[Key]:
        kind, meta = obj["kind"], obj["metadata"]
        ident = (meta.get("namespace", ""), meta["name"])
        self.store[kind].pop(ident, None)
        if event != "DELETED":
            self.store[kind][ident] = {"metadata": meta} if kind == "Secret" else obj
        if kind == "Deployment" and (meta.get("labels") or {}).get("app") == "istiod":
            return [("Classes", "", ""), *self._all("Gateway"), *self._all("HTTPRoute")]
        if kind in ("Gateway", "HTTPRoute"):
            return [(kind, *ident), *(self._all("HTTPRoute") if kind == "Gateway" else self._all("Gateway"))]
        if kind == "GatewayClass":
            return [("Classes", "", "")]
        if kind in ("Deployment", "Service") and (meta.get("labels") or {}).get(NAME):
            return [("Gateway", ident[0], meta["labels"][NAME])]
        if kind == "Secret":
            return [("Gateway", *one) for one in self.store["Gateway"] if one[0] == ident[0]]
        return self._all("HTTPRoute") if kind in ("Namespace", "Service") else []

    def _all(self, kind: str) -> list[Key]:
        return [(kind, *ident) for ident in self.store[kind]]

    def _istiods(self) -> dict[str, Obj]:
        """By revision."""
        rows = [row for row in self.store["Deployment"].values() if is_ready_istiod("ADDED", row)]
        return {str((row["metadata"].get("labels") or {}).get(REVISION) or "default"): row for row in rows}

    async def reconcile(self, key: Key) -> float | None:
        kind, *ident = key
        if kind == "Classes":
            return await self._classes()
        obj = self.store[kind].get((ident[0], ident[1]))
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return None
        return await (self._gateway(obj) if kind == "Gateway" else self._route(obj))

    async def _classes(self) -> float | None:
        """Also where the definitions come later than istiod."""
        if not self._istiods() or ("", CLASS) in self.store["GatewayClass"]:
            return None
        if not await self.kube.serves(API, "GatewayClass"):
            return 2.0
        spec = {"controllerName": CONTROLLER, "description": "The default Istio GatewayClass"}
        made: Obj = {"apiVersion": API, "kind": "GatewayClass", "metadata": {"name": CLASS}, "spec": spec}
        made = await self.kube.apply(made, manager=CONTROLLER)
        accepted = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "Handled by Istio controller",
                    "observedGeneration": made["metadata"]["generation"], "lastTransitionTime": now()}  # fmt: skip
        await self.kube.set_status({"apiVersion": API, "kind": "GatewayClass", **made}, {"conditions": [accepted]})
        for key in self._all("Gateway"):
            self.enqueue(key)
        return None

    async def _revision(self, obj: Obj) -> str:
        """Whose the Gateway is: by its label, or that of its namespace, each a revision or a tag. Empty: nobody's who is here."""
        space: Obj = self.store["Namespace"].get(("", obj["metadata"]["namespace"]), {"metadata": {}})
        own = [(row["metadata"].get("labels") or {}).get(REVISION) for row in (obj, space)]
        wanted = str(own[0] or own[1] or "default")
        if wanted in self._istiods():
            return wanted
        if await self.kube.serves("sailoperator.io/v1", "IstioRevisionTag"):
            tag = await self.kube.get("sailoperator.io/v1", "IstioRevisionTag", wanted)
            found = str(((tag or {}).get("status") or {}).get("istioRevision") or "")
            return found if found in self._istiods() else ""
        return ""

    def _ours(self, gateway: Obj) -> bool:
        named = self.store["GatewayClass"].get(("", gateway["spec"].get("gatewayClassName", "")))
        return gateway["spec"].get("gatewayClassName") == CLASS and named is not None

    async def _gateway(self, obj: Obj) -> float | None:
        revision = await self._revision(obj) if self._ours(obj) else ""
        if not revision:
            return 1.0
        space, name = obj["metadata"]["namespace"], f"{obj['metadata']['name']}-{CLASS}"
        istiod = self._istiods()[revision]
        image = str(istiod["spec"]["template"]["spec"]["containers"][0]["image"]).replace("/pilot:", "/proxyv2:")
        for part in workload(obj, image, revision):
            await self.kube.apply(part, manager=CONTROLLER)
        deployment = self.store["Deployment"].get((space, name)) or {}
        ready = bool((deployment.get("status") or {}).get("readyReplicas"))
        secrets = {secret for home, secret in self.store["Secret"] if home == space}
        status = gateway_status(obj, self.store["Service"].get((space, name)), ready, secrets, self._attached(obj))
        if status != obj.get("status"):
            await self.kube.set_status(obj, status)
        return None

    def _attached(self, gateway: Obj) -> dict[str, int]:
        found = {row["name"]: 0 for row in gateway["spec"]["listeners"]}
        for route in self.store["HTTPRoute"].values():
            for _ref, parent, _why in self._parents(route):
                for row in gateway["spec"]["listeners"] if parent["metadata"]["uid"] == gateway["metadata"]["uid"] else ():
                    found[row["name"]] += not takes(row, gateway, route, self._labels(route))
        return found

    def _labels(self, route: Obj) -> dict[str, str]:
        space = self.store["Namespace"].get(("", route["metadata"]["namespace"]), {"metadata": {}})
        return space["metadata"].get("labels") or {}

    def _parents(self, route: Obj) -> Iterator[tuple[Obj, Obj, str]]:
        """Each parentRef that is a Gateway of ours, with the Gateway, and why none of its listeners takes the route."""
        for ref in route["spec"].get("parentRefs") or []:
            ident = (ref.get("namespace") or route["metadata"]["namespace"], ref["name"])
            gateway = self.store["Gateway"].get(ident) if ref.get("kind", "Gateway") == "Gateway" else None
            if gateway is None or not self._ours(gateway):
                continue
            rows = [row for row in gateway["spec"]["listeners"] if ref.get("sectionName") in (None, row["name"])]
            why = [takes(row, gateway, route, self._labels(route)) for row in rows]
            yield ref, gateway, "" if "" in why else (why[0] if why else "NoMatchingParent")

    async def _route(self, obj: Obj) -> float | None:
        parents = [(ref, why) for ref, _gateway, why in self._parents(obj)]
        space = obj["metadata"]["namespace"]
        backends = [
            ref
            for rule in obj["spec"].get("rules") or []
            for ref in rule.get("backendRefs") or []
            if ref.get("kind", "Service") == "Service"
        ]
        lost = [
            f"{ref['name']}.{ref.get('namespace') or space}.svc.cluster.local"
            for ref in backends
            if (ref.get("namespace") or space, ref["name"]) not in self.store["Service"]
        ]
        if not self._istiods() or not parents:
            return None
        status = route_status(obj, parents, lost)
        if status != (obj.get("status") or {}):
            await self.kube.set_status(obj, status)
        return None


CONTROLLERS = [PlayedGatewayApi]
