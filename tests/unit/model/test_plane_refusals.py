# SPDX-License-Identifier: GPL-3.0-or-later
"""What a control plane cannot be: each refusal by name, and what each generation and version does have."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.filter.control_plane_refusals import control_plane_refusals
from ansible_collections.meshops.mesh.plugins.module_utils._model.plane_refusals import FIELDS

MEANT: dict[str, Any] = {"name": "plane", "namespace": "mesh-system", "additional_ingress": [], "tracing": {"sampling": 1},
                         "istiod": {"replicas": 1}}  # fmt: skip
Fields = dict[str, Any]


def refused(given: Fields, provider: str = "ossm3", version: Any = "v1.27.3", mesh: str = "shop") -> list[str]:
    meant = MEANT | {key: MEANT[key] | value if isinstance(MEANT.get(key), dict) else value for key, value in given.items()}
    return control_plane_refusals(given, meant, mesh, provider, version)


FIELD_ROWS: dict[str, tuple[str, str, Fields, str]] = {
    "revisions": ("ossm2", "v2.6", {"update_strategy": "RevisionBased"},
                  "mesh_control_plane.update_strategy with the value RevisionBased is not available in ossm2 v2.6: "
                  "A ServiceMeshControlPlane is always updated in place. Remove it from the inventory or change the value."),
    "in place": ("ossm2", "v2.6", {"update_strategy": "InPlace"}, ""),
    "revisions of Istio": ("ossm3", "v1.27.3", {"update_strategy": "RevisionBased"}, ""),
    "grace": ("ossm2", "v2.6", {"revision_grace_seconds": 30}, "mesh_control_plane.revision_grace_seconds is not available in ossm2 v2.6"),
    "istio-csr": ("ossm2", "v2.3", {"certificate_authority": {"type": "istio_csr"}},
                  "mesh_control_plane.certificate_authority.type with the value istio_csr is not available in ossm2 v2.3"),
    "istio-csr of 2.4": ("ossm2", "v2.4", {"certificate_authority": {"type": "istio_csr"}}, ""),
    "cni": ("ossm2", "v2.6", {"cni": {"manage": True}}, "mesh_control_plane.cni is not available in ossm2 v2.6"),
    "cni of Istio": ("sail", "v1.27.3", {"cni": {"manage": True}}, ""),
    "without mTLS": ("ossm3", "v1.27.3", {"mtls": {"control_plane": False}}, "mesh_control_plane.mtls.control_plane with the value False"),
    "with mTLS": ("ossm3", "v1.27.3", {"mtls": {"control_plane": True}}, ""),
    "without mTLS of 2": ("ossm2", "v2.6", {"mtls": {"control_plane": False}}, ""),
    "mode": ("sail", "v1.27.3", {"mode": "ClusterWide"}, "mesh_control_plane.mode with the value ClusterWide is not available in sail"),
    "mode of many": ("ossm3", "v1.27.3", {"mode": "MultiTenant"}, "mesh_control_plane.mode with the value MultiTenant"),
    "ClusterWide of 2.3": ("ossm2", "v2.3", {"mode": "ClusterWide"},
                           "mesh_control_plane.mode with the value ClusterWide is not available in ossm2 v2.3"),
    "ClusterWide of 2.4": ("ossm2", "v2.4", {"mode": "ClusterWide"}, ""),
    "OpenTelemetry of 2.5": ("ossm2", "v2.5", {"tracing": {"provider": "opentelemetry"}},
                             "mesh_control_plane.tracing.provider with the value opentelemetry is not available in ossm2 v2.5"),
    "OpenTelemetry of 2.6": ("ossm2", "v2.6", {"tracing": {"provider": "opentelemetry"}}, ""),
    "a tag": ("ossm2", "v2.6", {"revision_tag": "default"}, "mesh_control_plane.revision_tag is not available in ossm2 v2.6"),
    "a tag of Istio": ("ossm3", "v1.27.3", {"revision_tag": "default"}, ""),
    "a tag called as the revision": ("ossm3", "v1.27.3", {"update_strategy": "InPlace", "revision_tag": "plane"},
                                     "mesh_control_plane.revision_tag is plane, and so is the only revision called"),
    "a tag beside revisions": ("ossm3", "v1.27.3", {"update_strategy": "RevisionBased", "revision_tag": "plane"}, ""),
    "selectors": ("ossm2", "v2.6", {"discovery_selectors": [{"matchLabels": {"a": "b"}}]},
                  "mesh_control_plane.discovery_selectors is not available in ossm2 v2.6"),
    "by memory": ("ossm2", "v2.6", {"istiod": {"autoscale": {"max": 2, "memory": 80}}},
                  "mesh_control_plane.istiod.autoscale.memory is not available in ossm2"),
    "by memory of Istio": ("ossm3", "v1.27.3", {"istiod": {"autoscale": {"min": 2, "max": 2, "memory": 80}}}, ""),
    "more than there may be": ("ossm3", "v1.27.3", {"ingress": {"autoscale": {"min": 3, "max": 2}}},
                               "mesh_control_plane.ingress.autoscale is from 3 to 2, expected pods from at least 1"),
    "none at most": ("ossm3", "v1.27.3", {"egress": {"autoscale": {"cpu": 50}}},
                     "mesh_control_plane.egress.autoscale is from 1 to 0, expected pods"),
    "two numbers": ("ossm3", "v1.27.3", {"additional_ingress": [{"name": "edge", "replicas": 2, "autoscale": {"max": 2}}]},
                    "mesh_control_plane.additional_ingress[0] has both replicas and autoscale"),
    "first-party tokens": ("ossm3", "v1.27.3", {"tokens": "first_party"}, "mesh_control_plane.tokens with the value first_party is not"),
    "first-party tokens of 2": ("ossm2", "v2.6", {"tokens": "first_party"}, ""),
    "third-party tokens": ("sail", "v1.27.3", {"tokens": "third_party"}, ""),
    "nothing": ("ossm2", "v2.0", {}, ""),
}  # fmt: skip


@pytest.mark.parametrize(("provider", "version"), [("ossm3", "1.27.3"), ("sail", "1.30"), ("ossm2", "2.6")])
def test_a_version_without_its_v_is_refused(provider: str, version: str) -> None:
    assert refused({}, provider, version)[0] == f"the version of the control plane is {version} ({provider}); did you mean v{version}?"


@pytest.mark.parametrize("case", FIELD_ROWS)
def test_fields(case: str) -> None:
    provider, version, given, expected = FIELD_ROWS[case]
    found = refused(given, provider, version)
    assert len(found) == bool(expected) and all(text.startswith(expected) for text in found), found


def test_each_field_is_refused_somewhere() -> None:
    said = " ".join(text for provider, version, given, _expected in FIELD_ROWS.values() for text in refused(given, provider, version))
    assert [field.path for field in FIELDS if field.reason not in said] == []


ADDITIONAL = "mesh_control_plane.additional_ingress has the names"


@pytest.mark.parametrize(("given", "mesh", "expected"), [
    ({}, "Shop", 'mesh_name is "Shop", which Kubernetes takes for no name'),
    ({}, "shop\n", 'mesh_name is "shop\\n", which'),
    ({"name": "a" * 64}, "shop", "mesh_control_plane.name is"),
    ({"namespace": "-x"}, "shop", 'mesh_control_plane.namespace is "-x"'),
    ({"additional_ingress": [{"name": "istio-ingressgateway"}]}, "shop", f"{ADDITIONAL} istio-ingressgateway: each"),
    ({"additional_ingress": [{"name": "edge"}, {"name": "edge"}]}, "shop", f"{ADDITIONAL} edge, edge: each"),
    ({"additional_ingress": [{"name": "4edge"}]}, "shop", f"{ADDITIONAL} 4edge: each must be another one"),
    ({"tracing": {"sampling": 500}}, "shop", "mesh_control_plane.tracing.sampling is 500, expected a percentage between 0 and 100"),
    ({"tracing": {"sampling": -0.5}}, "shop", "mesh_control_plane.tracing.sampling is -0.5"),
    ({"sidecar_hosts": ["./*", "shop"]}, "shop", "mesh_control_plane.sidecar_hosts[1] is shop, expected NAMESPACE/HOST"),
    ({"istiod": {"replicas": 0}}, "shop", "mesh_control_plane.istiod.replicas is 0, expected at least 1"),
    ({"additional_ingress": [{"name": "edge"}, {"name": "partner"}], "tracing": {"sampling": 0.5}, "istiod": {"replicas": 3}}, "shop", ""),
])  # fmt: skip
def test_names_and_ranges(given: Fields, mesh: str, expected: str) -> None:
    found = refused(given, mesh=mesh)
    assert len(found) == bool(expected) and all(text.startswith(expected) for text in found), found


def test_istio_csr_takes_no_token_of_an_account() -> None:
    (text,) = refused({"tokens": "first_party", "certificate_authority": {"type": "istio_csr"}}, "ossm2", "v2.6")
    assert text.startswith("mesh_control_plane.tokens is first_party, and istio-csr takes")


def test_all_is_said_at_once() -> None:
    assert len(refused({"mode": "ClusterWide", "tracing": {"sampling": 500}, "istiod": {"replicas": 0}}, mesh="S")) == 4


def test_a_version_that_yaml_took_for_a_number() -> None:
    """It has no v either, which is told beside what that version does not have."""
    assert ["did you mean" in row for row in refused({"mode": "ClusterWide"}, "ossm2", 2.4)] == [True]
    assert ["did you mean" in row for row in refused({"mode": "ClusterWide"}, "ossm2", 2.3)] == [True, False]


@pytest.mark.parametrize(("given", "meant", "words"), [
    ("text", MEANT, "the input must be a map, found str"),
    ({}, None, "meant must be a map, found NoneType"),
    ({}, {"name": "x"}, "meant is no control plane with its defaults: KeyError: 'namespace'"),
])  # fmt: skip
def test_what_is_no_control_plane_is_named(given: Any, meant: Any, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        control_plane_refusals(given, meant, "shop", "ossm3", "v1.27.3")
