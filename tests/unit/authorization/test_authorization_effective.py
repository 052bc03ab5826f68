# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof stands on what istiod has: its ConfigMap, by revision, before what a custom resource says."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.inventory import meshes_of, take
from ansible_collections.meshops.mesh.plugins.module_utils._checks.authorization_run import Checked, overlaid, run_authorization_checks
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from authorization_travel import namespace, workload
from authorization_worlds import policy, source
from test_authorization_modules import _params


def check(objects: list[dict[str, Any]], source: str = "manifests", **given: Any) -> Checked:
    data = {"format": "meshops.mesh/snapshot/v1", "cluster": "west", "taken_at": "2026-11-21T12:00:00Z", "objects": objects}
    found = Snapshot.from_json(data)
    return run_authorization_checks(
        _params(**{"only": [], "ignore": [], "access": None, **given}), Snapshot(found.cluster, found.taken_at, source, None, found.objects)
    )


def bad(checked: Checked, *codes: str) -> list[tuple[str, str]]:
    """Resource and message of what these checks found."""
    return [(row.resource, row.message) for row in checked.report.rows if row.id in codes and row.status in ("failed", "warning")]


def config_map(mesh: Any, revision: str = "default", where: str = "istio-system", **labels: str) -> dict[str, Any]:
    meta = {
        "name": "istio" if revision == "default" else f"istio-{revision}",
        "namespace": where,
        "labels": {"istio.io/rev": revision, **labels},
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta,
        "data": {"mesh": mesh if isinstance(mesh, str) else yaml.safe_dump(mesh)},
    }


CORP = {
    "trustDomain": "bank.example",
    "rootNamespace": "mesh-policies",
    "extensionProviders": [{"name": "opa", "envoyExtAuthzGrpc": {"service": "opa.opa.svc.cluster.local", "port": 9191}}],
}
BANK = [
    namespace("bank"),
    *workload("bank", "teller", serviceAccountName="teller"),
    *workload("bank", "vault", serviceAccountName="vault"),
    policy(
        source(principals=["bank.example/ns/bank/sa/teller"]), name="vault", namespace="bank", selector={"matchLabels": {"app": "vault"}}
    ),
    policy(name="nothing", namespace="mesh-policies"),
]
MATRIX = [{"from": ["bank/teller"], "to": ["bank/vault"]}]


def test_what_istiod_has_makes_the_proof() -> None:
    """Trust domain, root namespace and version of an Istio that a chart installed: no custom resource says them."""
    found = check([config_map(CORP, **{"app.kubernetes.io/version": "1.28.4"}), *BANK], access=MATRIX)
    assert found.proven is True and found.assumptions == ()
    assert (found.mesh["trust_domain"], found.mesh["root_namespace"], found.mesh["version"]) == ("bank.example", "mesh-policies", "1.28.4")
    without = check(BANK, access=MATRIX)
    assert without.proven is False and len(without.assumptions) >= 3


def test_a_config_map_that_says_nothing_means_istio_s_own_defaults() -> None:
    objects = [namespace("bank"), *workload("bank", "vault"), policy(name="nothing", namespace="istio-system")]
    found = check([config_map("accessLogFile: /dev/stdout\n", **{"app.kubernetes.io/version": "1.28.4"}), *objects])
    assert found.assumptions == () and found.mesh["trust_domain"] == "cluster.local" and found.coverage.allowed_pairs == 0


@pytest.mark.parametrize(("asked", "found"), [("opa", 0), ("opa-ext", 1), ("", 1)])
def test_a_provider_that_is_not_defined_denies_all_that_matches(asked: str, found: int) -> None:
    ask = policy({"to": [{"operation": {"paths": ["/*"]}}]}, name="ask", namespace="bank", action="CUSTOM", provider={"name": asked})
    rows = bad(check([config_map(CORP), *BANK[:-1], ask]), "OSM3118")
    assert len(rows) == found and all("whatever it matches is denied" in message for _resource, message in rows)
    default = {"extensionProviders": [{"name": "opa", "zipkin": {}}]}
    assert len(bad(check([config_map(default), *BANK[:-1], ask]), "OSM3118")) == 1, "one that only takes traces is no authorizer"


@pytest.mark.parametrize("plane", [False, True], ids=["alone", "beside its Istio"])
def test_a_config_map_that_istiod_cannot_read_is_a_finding_and_no_proof(plane: bool) -> None:
    istio = {
        "apiVersion": "sailoperator.io/v1",
        "kind": "Istio",
        "metadata": {"name": "default"},
        "spec": {"namespace": "istio-system", "version": "v1.28.4", "values": {"meshConfig": CORP}},
    }
    found = check([config_map("trustDomain: [bank.example\n"), *([istio] if plane else []), *BANK], access=MATRIX)
    assert found.proven is False
    assert [resource for resource, _message in bad(found, "OSM3007")] == ["ConfigMap istio-system/istio"]
    assert any("nothing is proven" in message for _resource, message in bad(found, "OSM3302"))
    assert any("ConfigMap istio-system/istio says nothing: data.mesh is not YAML" in text for text in found.assumptions)


def test_a_policy_in_a_namespace_that_istiod_does_not_discover_is_not_enforced() -> None:
    selectors = {**CORP, "discoverySelectors": [{"matchLabels": {"mesh": "yes"}}]}
    named = [namespace("mesh-policies", mesh="yes"), namespace("bank", **{"istio-injection": "enabled"})]
    found = check([config_map(selectors), *BANK[1:], *named])
    assert [resource for resource, _message in bad(found, "OSM3005")] == ["AuthorizationPolicy bank/vault"]
    assert "discoverySelectors" in bad(found, "OSM3005")[0][1]
    seen = [namespace("mesh-policies", mesh="yes"), namespace("bank", **{"istio-injection": "enabled", "mesh": "yes"})]
    assert bad(check([config_map(selectors), *BANK[1:], *seen]), "OSM3005") == []


def test_a_changed_control_plane_is_judged_by_what_it_says_now() -> None:
    """The ConfigMap of before the change is no effective configuration of after it."""
    istio = {
        "apiVersion": "sailoperator.io/v1",
        "kind": "Istio",
        "metadata": {"name": "default"},
        "spec": {"namespace": "istio-system", "values": {"meshConfig": {"trustDomain": "old.example"}}},
    }
    before = [istio, config_map({"trustDomain": "old.example"}), *BANK]
    new = {**istio, "spec": {"namespace": "istio-system", "values": {"meshConfig": {"trustDomain": "new.example"}}}}
    assert take(overlaid(before, [new])).mesh.trust_domain == "new.example"
    assert take(overlaid(before, [istio])).mesh.trust_domain == "old.example"
    told = config_map({"trustDomain": "told.example"})
    assert take(overlaid(before, [new, told])).mesh.trust_domain == "told.example"


def test_what_is_given_goes_before_the_config_map() -> None:
    assert meshes_of([config_map(CORP)], {"trust_domain": "given.example"}).main.trust_domain == "given.example"
