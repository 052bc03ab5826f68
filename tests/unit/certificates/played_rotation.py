# SPDX-License-Identifier: GPL-3.0-or-later
"""A rotation of the CA of a played mesh: each pod has the roots and the signer of the CA that there was when it was made."""

from __future__ import annotations

from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._certificates.material import Material
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.rotation import Authority, Istiod, ProxyTrust, RotationState
from ansible_collections.meshops.mesh.plugins.module_utils._commands.restart import RestartSettings
from ansible_collections.meshops.mesh.plugins.module_utils._commands.rotation import Rotation, RotationLimits
from ansible_collections.meshops.mesh.plugins.module_utils._commands.rotation_reading import RotationObservation, Saved
from ansible_collections.meshops.mesh.plugins.module_utils._kube.lease import Lock
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.machine import RestartLimits
from rollout.played import App, Watched

from .material import DAY, NOW, make
from .test_ca_material import encoded

__all__ = ["NEW", "OLD", "PlayedRotation", "Signed", "istiod", "limits"]

Obj = dict[str, Any]
_LIFE = {"begins": NOW - 3650 * DAY, "ends": NOW + 3650 * DAY}


def _material(name: str) -> Material:
    root = make(f"{name} root", ca=True, **_LIFE)
    signer = make(f"{name} signer", root, ca=True, **_LIFE)
    return Material.of(encoded(ca_cert=signer.pem, ca_key=signer.key_pem(), cert_chain=signer.pem, root_cert=root.pem), name)


OLD, NEW = _material("old"), _material("new")


def istiod(**more: Any) -> App:
    return App("system", "istiod", bare=True, **more)


def limits(*, budgets: bool = True, concurrency: str = "", **more: Any) -> RotationLimits:
    restart = RestartSettings(RestartLimits(60.0, 30.0, budgets, concurrency))
    return RotationLimits(**{"gate": 120.0, "renew": "restart", "istiod_grace": 5.0, "restart": restart, **more})


class Signed(Watched):
    """It has each CA with the time that it came."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.authorities = [(-10000.0, OLD)]


class PlayedRotation(Rotation):
    """It reads the played mesh; what it decides and how it restarts is the real one's."""

    def __init__(self, cluster: Signed, *_dialer: Any, lock: Lock | None = None, **more: Any) -> None:
        self.west = cluster
        given = {"mesh": "travel", "namespace": "system", "members": ["shop"], **more}
        super().__init__(cluster, None, lock=lock, clock=cluster.clock, sleep=cluster.sleep, **given)  # type: ignore[arg-type]

    def current(self) -> tuple[Material, Obj | None]:
        return self.west.authorities[-1][1], {}

    def saved(self) -> list[Saved]:
        return [Saved("cacerts-saved-old", OLD, "2026", taken_back=False)]

    def _secret(self, name: str) -> None:
        return None

    def _apply(self, obj: Obj, layer: str) -> None:
        self.engine.require_lock()
        if obj["metadata"]["name"] == "cacerts":
            self.west.authorities.append((self.west.seconds, Material.of(obj["data"], "cacerts")))
        self.west.writes.append(f"apply {obj['metadata']['name']}")

    def _had(self, app: App) -> Authority:
        """The CA when its pods were made; istiod has it only from its own start on."""
        plane = self.west.apps["Deployment system/istiod"]
        made = app.made if app is plane else min(app.made, plane.made) if app.made < plane.made else plane.made
        return [material.authority for at, material in self.west.authorities if at <= made][-1]

    def look(self, known: Any) -> RotationObservation:
        pods: dict[str, Obj] = {}
        istiods, proxies = [], []
        for app in self.west.apps.values():
            had = self._had(app)
            for pod in self.west._pods(app):
                title = f"Pod {app.namespace}/{pod['metadata']['name']}"
                pods[title] = pod
                if app.bare:
                    istiods.append(Istiod(title, had.roots, had.signer, "v1.26.0", plugged=True))
                else:
                    proxies.append(ProxyTrust(title, had.roots, had.anchor))
        for pod in self.west.extra_pods:
            title = f"Pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"
            pods[title] = pod
            proxies.append(ProxyTrust(title, OLD.authority.roots, OLD.authority.anchor))
        return RotationObservation(self.current()[0], {}, RotationState(istiods, proxies), pods)
