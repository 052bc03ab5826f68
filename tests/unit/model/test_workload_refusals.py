# SPDX-License-Identifier: GPL-3.0-or-later
"""What applications and their exemptions cannot mean; no refusal has a value of the lists."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.filter.workload_refusals import workload_refusals

SECRET = "hunter2-of-the-database"


def home(*names: str, namespace: str = "shop") -> dict[str, Any]:
    return {
        "namespace": namespace,
        "secrets": [{"name": "db", "data": {"password": SECRET}}],
        "applications": [{"name": name, "image": "i", "port": 80, "env": {"TOKEN": SECRET}} for name in names],
    }


WORKLOADS: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "nothing": ([], []),
    "each once": ([home("web", "db")], []),
    "the same name in two namespaces": ([home("web"), home("web", namespace="other")], []),
    "without applications": ([{"namespace": "shop"}], []),
    "one twice": ([home("web", "db", "web")], ["mesh_workloads names an application of shop twice: db, web, web."]),
    "two namespaces": ([home("a", "a"), home("b", "b", namespace="x")],
                       ["application of shop twice: a, a.", "application of x twice: b, b."]),
}  # fmt: skip


def app(**fields: Any) -> list[dict[str, Any]]:
    """One application with these fields."""
    found = home("web")
    found["applications"][0] |= fields
    return [found]


WHERE = "mesh_workloads[0].applications[0]"
WORKLOADS |= {
    "versions of both forms": (app(versions=["v1", {"name": "v2", "label": "2.0", "image": "i:2", "env": {"A": SECRET}}]), []),
    "a version without a name": (app(versions=[{"label": "1"}]), [f"{WHERE}.versions[0].name: is missing or no text"]),
    "a version that is a number": (app(versions=[1.0]),
                                   [f"{WHERE}.versions[0]: expected a name or a map with one, found a value of the type float"]),
    "a label that is a number": (app(versions=[{"name": "v1", "label": 1.0}]),
                                 [f"{WHERE}.versions[0].label: is no text; write it in quotes"]),
    "a field that no version has": (app(versions=[{"name": "v1", "replica": 2}]),
                                    [f"{WHERE}.versions[0].replica: not known; did you mean replicas?"]),
    "two versions with one label": (app(versions=[{"name": "v1", "label": "1"}, {"name": "v2", "label": "1"}]),
                                    ["mesh_workloads of shop: several versions of web have the label version=1, expected one each."]),
    "two versions in one Deployment": (app(versions=[{"name": "v1", "deployment": "web"}, {"name": "v2", "deployment": "web"}]),
                                       ["mesh_workloads of shop: several versions make the Deployment web"]),
    "more ports": (app(ports=[{"name": "tcp-admin", "port": 81}, {"name": "grpc", "port": 82}]), []),
    "a port of no protocol": (app(ports=[{"name": "admin", "port": 81}]),
                              [f"{WHERE}.ports[0].name: admin begins with no protocol that Istio knows"]),
    "a port twice": (app(ports=[{"name": "tcp", "port": 80}]), [f"{WHERE}.ports: a port of the Service web is there twice"]),
    "a port's name twice": (app(ports=[{"name": "http", "port": 81}]), [f"{WHERE}.ports: a name of the Service web is there twice"]),
}  # fmt: skip


@pytest.mark.parametrize("case", WORKLOADS)
def test_applications(case: str) -> None:
    workloads, expected = WORKLOADS[case]
    found = workload_refusals(workloads)
    assert len(found) == len(expected) and all(text in line for text, line in zip(expected, found, strict=True))
    assert SECRET not in str(found)


MTLS: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "a mode": ([{"namespace": "shop", "mode": "PERMISSIVE"}], []),
    "ports": ([{"namespace": "shop", "application": "web", "ports": {80: "DISABLE", "443": "STRICT"}}], []),
    "neither": ([{"namespace": "shop"}], ["mesh_mtls of shop/: it needs a mode or ports"]),
    "ports of nothing": ([{"namespace": "shop", "ports": {80: "STRICT"}}], ["Found: mode (none), port 80 STRICT."]),
    "a port by name": ([{"namespace": "shop", "application": "web", "ports": {"http": "STRICT"}}], ["port http STRICT"]),
    "a mode of a port": ([{"namespace": "shop", "application": "web", "mode": "STRICT", "ports": {80: "UNSET"}}],
                         ["Found: mode STRICT, port 80 UNSET"]),
    "two defaults": ([{"namespace": "shop", "mode": "STRICT"}] * 2, ["makes one PeerAuthentication twice: shop/default, shop/default."]),
    "a name twice": (
        [{"namespace": "shop", "application": "web", "mode": "STRICT"}, {"namespace": "shop", "name": "web", "mode": "STRICT"}],
        ["twice: shop/web, shop/web."],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MTLS)
def test_exemptions(case: str) -> None:
    entries, expected = MTLS[case]
    found = workload_refusals([home("web")], entries)
    assert len(found) == len(expected) and all(text in line for text, line in zip(expected, found, strict=True)), found


@pytest.mark.parametrize("given", ["web", {"namespace": "shop"}, ["web"], None])
def test_what_is_no_list_of_maps(given: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="must be a list of maps"):
        workload_refusals(given)
