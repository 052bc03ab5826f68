# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations of the CA of a small mesh of real Envoys, step by step, each step by a run that dies."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Any

import collection_support  # noqa: F401  (first: it makes the collection importable)
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.material import Material as Goal
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.rotation import Phase
from ansible_collections.meshops.mesh.plugins.module_utils._commands.rotation import Rotation, RotationLimits
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import dialer
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from envoys_support import Mesh as Bedded
from envoys_support import cacerts, intermediate, until
from testbed.operators.certificates import Authority as Material

__all__ = ["MATERIAL", "NEW", "PHASES", "RENEWED", "Bedded", "Mortal", "goal", "rotation", "signs", "steps"]

NEW = Material.new("New Corporate Root")
MATERIAL = intermediate(NEW, "new intermediate")
RENEWED = intermediate(NEW, "newer intermediate")
PHASES = [Phase.DISTRIBUTE, Phase.SWITCH, Phase.RETIRE]


class Killed(Exception):
    """The run ends here, without any tidying up."""


class Mortal(Rotation):
    """Dies after it wrote, before it restarts an istiod."""

    def _restart_istiods(self, *_args: Any) -> None:
        raise Killed


def rotation(
    bedded: Bedded, *, kind: type[Rotation] = Rotation, back: bool = False, members: tuple[str, ...] = ("shop",), **limits: Any
) -> Rotation:
    params = {"kubeconfig": str(bedded.bed.kubeconfig)}
    given: dict[str, Any] = {"gate": 240, "interval": 0.3, "proxy": 3, "proxies": 20, "istiod_grace": 1, **limits}
    return kind(
        Cluster.from_params(params, name="bed"),
        dialer(params, name="bed"),
        mesh="shop-mesh",
        namespace="istio-system",
        members=members,
        limits=RotationLimits(**given),
        back=back,
    )


def goal(material: Material) -> Goal:
    return Goal.of(cacerts(material)["data"], "goal")


def signs(bedded: Bedded) -> str:
    return rotation(bedded).current()[0].signer_title


def steps(bedded: Bedded, make: Callable[[Rotation], Goal], calls: Sized, *, back: bool = False) -> list[str]:
    """All steps, each by a run of its own that dies after it wrote; a client calls between any two. calls: those so far."""
    done: list[str] = []
    while True:
        run = rotation(bedded, kind=Mortal, back=back)
        try:
            if run.turn(make(run)) is None:
                return done
        except Killed:
            done.append(run.turns[-1].phase)
        wanted = len(calls) + 3
        until(lambda wanted=wanted: len(calls) >= wanted, what=f"calls after {done}")
