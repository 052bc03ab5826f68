# SPDX-License-Identifier: GPL-3.0-or-later
"""The family migration has what the layers and the steps of a migration write, and a step reads nothing of another mesh."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._commands import migration_step
from ansible_collections.meshops.mesh.plugins.module_utils._migration import steps
from ansible_collections.meshops.mesh.plugins.module_utils._migration.settings import MigrationSettings
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import group_of
from ansible_collections.meshops.mesh.plugins.module_utils._rights.reads import plural
from ansible_collections.meshops.mesh.plugins.module_utils._rights.render import by_namespace
from ansible_collections.meshops.mesh.plugins.module_utils._rights.table import rights_of, scope_from
from migration.test_objects import BIG, plan, roll

from .test_rights import NOTHING

Obj = dict[str, Any]
HOME, MEMBERS = "istio-system", ["shop", "pay"]
NO_DELIVERY = {"migration_members"}  # of a tree of files only
TAKEN = {"migration_services", "migration_observability"}  # they are there: the operator of OSSM 2 has made them


def allowed(*, calls: bool = True, remove: bool = True) -> set[tuple[str, str, str]]:
    """Verb, resource, namespace; the empty one is the whole cluster."""
    given = NOTHING | {
        "provider": "ossm2",
        "members": MEMBERS,
        "gateway_namespaces": ["edge"],
        "migration": {"calls": calls, "remove": remove},
    }
    scope = scope_from(given)
    return {
        (verb, right.resource, place)
        for place, rows in by_namespace(rights_of("migration", scope), scope).items()
        for right in rows
        for verb in right.verbs
        if not right.names
    }


def lacking(wanted: set[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    rights = allowed()
    return {one for one in wanted if one not in rights and (one[0], one[1], "") not in rights}


def resource(kind: str, api_version: str) -> str:
    return f"{plural(kind)}.{group_of(api_version)}".rstrip(".")


def of(obj: Obj, *verbs: str) -> set[tuple[str, str, str]]:
    namespace = obj["metadata"].get("namespace", "")
    return {(verb, resource(obj["kind"], obj["apiVersion"]), namespace) for verb in verbs}


LAYERS = plan(BIG, roll(*MEMBERS), source="cluster", version="v1.27.3").layers


@pytest.mark.parametrize("layer", sorted(LAYERS.keys() - NO_DELIVERY))
def test_what_a_layer_writes_is_allowed(layer: str) -> None:
    verbs = ("get", "patch") if layer in TAKEN else ("get", "create", "patch")
    rows = [obj for obj in LAYERS[layer] if obj["kind"] != "Jaeger"]  # on a cluster it is let go of only
    assert rows and set().union(*(lacking(of(obj, *verbs)) for obj in rows)) == set()


@pytest.mark.parametrize("layer", ["migration_networks", "migration_control_plane", "migration_mesh", "migration_gateways"])
def test_what_goes_on_the_way_back_may_go(layer: str) -> None:
    rows = [obj for obj in LAYERS[layer] if obj["kind"] not in ("Namespace", "IstioCNI")]  # they stay
    assert set().union(*(lacking(of(obj, "delete")) for obj in rows)) == set()


def test_what_the_end_deletes_may_go() -> None:
    meta = {"name": "basic", "namespace": HOME}
    kept = [{"apiVersion": version, "kind": kind, "metadata": meta} for version, kind in steps._KEPT]
    ends = [
        {"apiVersion": "maistra.io/v2", "kind": "ServiceMeshControlPlane", "metadata": meta},
        {"apiVersion": "maistra.io/v1", "kind": "ServiceMeshMemberRoll", "metadata": meta},
        {"apiVersion": "maistra.io/v1", "kind": "ServiceMeshMember", "metadata": {"name": "default", "namespace": "shop"}},
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "istio-x", "namespace": "shop"}},
        *(
            {"apiVersion": "admissionregistration.k8s.io/v1", "kind": f"{word}WebhookConfiguration", "metadata": {"name": "istiod-basic"}}
            for word in ("Mutating", "Validating")
        ),
    ]
    assert set().union(*(lacking(of(obj, "patch")) for obj in kept), *(lacking(of(obj, "delete")) for obj in ends)) == set()


def test_what_is_not_asked_for_is_not_granted() -> None:
    few = allowed(calls=False, remove=False)
    assert {("delete", "servicemeshcontrolplanes.maistra.io", HOME), ("create", "pods/exec", "shop")} <= allowed() - few
    assert not [one for one in few if "webhook" in one[1] and one[0] == "delete"]
    assert {one for one in allowed() if one[1] == "secrets"} == set(), "the CA by its names only, and no Secret of a gateway"


class Looked(Exception):
    """It has gone as far as that."""


class Cluster:
    name = "west"

    def require_clock(self) -> None:
        """The clocks agree."""


@pytest.mark.parametrize("step", ["prepared", "removed"])
def test_a_step_reads_no_secret_of_another_mesh(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def collect(_cluster: Any, **how: Any) -> None:
        assert how["plane"] == HOME
        raise Looked

    monkeypatch.setattr(migration_step, "collect", collect)
    cluster: Any = Cluster()
    with pytest.raises(Looked):
        migration_step.Migration(cluster, MigrationSettings(mesh="shop", version="v1.27.3"), "basic", HOME).take(step)
