# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory cannot mean: a good one, and one change of it for each kind of mistake."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._model.members import Neighbour
from ansible_collections.meshops.mesh.plugins.module_utils._model.variables import check_value
from ansible_collections.meshops.mesh.plugins.module_utils._preflight import RULES, MeshVariables, notes, refusals
from ansible_collections.meshops.mesh.plugins.plugin_utils.role_options import options_of

VARS = Path(__file__).resolve().parents[3] / "roles" / "control_plane" / "vars" / "main.yml"
PLANE_DEFAULTS = yaml.safe_load(VARS.read_text(encoding="utf-8"))["__control_plane_defaults"]
VERSIONS = {"ossm2": "v2.6", "ossm3": "v1.27.3"}
ROLES = frozenset({"deliver", "operators", "control_plane", "membership", "personas", "observability", "workloads", "gateways", "access"})

GOOD: dict[str, Any] = {
    "mesh_name": "shop",
    "mesh_provider": "ossm3",
    "mesh_control_plane": {
        "name": "shop",
        "namespace": "shop-system",
        "additional_ingress": [{"name": "partner-gateway"}],
        "tracing": {"provider": "opentelemetry"},
        "certificate_authority": {"type": "istiod"},
    },
    "mesh_domains": [{"name": "front", "namespaces": ["shop-web"]}, {"name": "back", "namespaces": ["shop-orders", "shop-stock"]}],
    "mesh_personas": [
        {"name": "ann", "role": "mesh_developer", "namespaces": ["shop-web", "shop-orders"]},
        {"name": "bob", "role": "mesh_operator", "namespaces": ["shop-system"]},
        {"name": "eve", "role": "cluster_admin"},
    ],
    "mesh_workloads": [
        {
            "namespace": "shop-web",
            "secrets": [{"name": "login", "data": {"password": "s3cr3t-value"}}],
            "applications": [
                {
                    "name": "web",
                    "image": "web:1",
                    "port": 8080,
                    "env": {"PASSWORD": {"valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}}},
                }
            ],
        },
        {"namespace": "shop-orders", "applications": [{"name": "orders", "image": "orders:1", "port": 9000}]},
    ],
    "mesh_mtls": [{"namespace": "shop-orders", "application": "orders", "mode": "PERMISSIVE"}],
    "mesh_project_gateways": [{"name": "orders-gateway", "namespace": "shop-orders", "autoscale": {"min": 2, "max": 5}}],
    "mesh_gateways": [
        {"name": "web", "hosts": ["shop.example.com"], "routes": [{"namespace": "shop-web", "service": "web", "port": 8080}]},
        {
            "name": "partner",
            "gateway": "partner-gateway",
            "port": 443,
            "protocol": "HTTPS",
            "hosts": ["*.partner.example.com"],
            "tls": {"mode": "MUTUAL", "credential_name": "partner-cert"},
            "virtual_service": {"name": "partner", "namespace": "shop-orders"},
            "routes": [{"namespace": "shop-orders", "service": "orders", "port": 9000}],
        },
    ],
    "mesh_gateways_handshakes": [{"gateway": "partner", "client_certificate": "client.pem", "client_key": "client.key"}],
    "mesh_traffic": [
        {"service": "orders", "namespace": "shop-orders", "port": 9000, "versions": [{"name": "v1"}], "routes": [{"to": {"v1": 100}}]}
    ],
    "mesh_observability": {"prometheus": {}, "kiali": {"enabled": True}, "tempo": {}},
    "mesh_operators_channels": {"kiali-ossm": "stable", "jaeger-product": "stable"},
    "mesh_operators_versions": {"servicemeshoperator3": "servicemeshoperator3.v3.2.0", "kiali-ossm": "latest"},
    "mesh_operators_starting_csvs": {},
    "mesh_access": {
        "issuers": [{"name": "sso", "issuer": "https://sso.example.com", "jwks_uri": "https://sso.example.com/keys"}],
        "mtls": {"mode": "STRICT", "exceptions": [{"for": "namespace:shop-stock", "mode": "PERMISSIVE"}]},
        "rules": [
            {"name": "visitors", "from": ["anyone"], "to": ["gateway:ingress"]},
            {"name": "inside", "from": ["gateway:ingress", "namespace:monitoring"], "to": ["shop-web/web"], "ports": [8080]},
            {"name": "partners", "from": ["domain:front"], "to": ["domain:back", "service:shop-orders/orders"], "tokens": ["sso/*"]},
        ],
    },
    "mesh_upgrade": {
        "waves": [{"name": "first", "domains": ["back"]}, {"name": "web", "namespaces": ["shop-web"], "concurrency": "25%"}],
        "windows": [{"days": ["sat"], "start": "22:00", "end": "04:00", "timezone": "Europe/Madrid"}],
        "tag": "web",
    },
    "mesh_adopt": ["Secret shop-system/cacerts", "ClusterRole shop-viewer"],
    "mesh_ossm3_version": "v1.27-latest",
    "mesh_certificates_provider": "own_ca",
    "mesh_certificates_gateways": [{"name": "partner-cert", "hosts": ["*.partner.example.com"], "mutual": True}],
    "mesh_certificates_clients": [{"name": "client", "bundle": "files"}],
    "mesh_check_only": ["OSM1301"],
    "mesh_check_categories": ["certificates"],
    "mesh_check_thresholds": {},
    "migration_only": ["front"],
    "upgrade_hops": ["v1.26.4", "v1.27.3"],
    "upgrade_until": "gateways",
}


SECOND_LISTENER = {"hosts": ["a.example.com"], "port": 443, "protocol": "HTTPS", "tls": {"credential_name": "partner-cert"}}


def judged(values: dict[str, Any], **more: Any) -> MeshVariables:
    options = {"roles": ROLES | {"certificates"}, "plane_defaults": PLANE_DEFAULTS, "versions": VERSIONS, "host": "west", **more}
    return MeshVariables(values=values, **options)


def test_a_good_inventory() -> None:
    assert refusals(judged(GOOD)) == [] and notes(judged(GOOD)) == []


def test_a_good_one_of_the_other_generation() -> None:
    older = {**GOOD, "mesh_provider": "ossm2", "upgrade_hops": ["v2.5", "v2.6"]}
    assert refusals(judged(older)) == []


@pytest.mark.parametrize("role", sorted(path.name for path in VARS.parents[2].iterdir()))
def test_each_role_by_itself_knows_all_of_a_variable(role: str) -> None:
    """One that reads a single key of it must not take the others for unknown."""
    seen = [option for option in options_of([role], GOOD) if option.variable in GOOD]
    assert [text for one in seen for text in check_value(one.spec, GOOD[one.variable], one.variable)] == []


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """One field of the inventory gets another value; `del` takes it out."""
    *steps, last = [int(step) if step.isdigit() else step for step in path.replace("]", "").replace("[", ".").split(".")]

    def change(values: Any) -> None:
        for step in steps:
            values = values[step]
        if value is DEL:
            del values[last]
        elif isinstance(values, list) and last == len(values):
            values.append(value)
        else:
            values[last] = value

    return change


DEL = object()
# What is changed, and the one thing that is said.
CASES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a domain of a known name": (
        put("mesh_domains[2]", {"name": "back", "namespaces": ["shop-orders-2", "shop-stock-2"]}),
        "mesh_domains[2].name: mesh_domains[1] is called back as well",
    ),
    "traffic outside of the mesh": (
        put("mesh_traffic[0].namespace", "other"),
        "mesh_traffic[0].namespace: 'other' is no namespace of mesh_domains, so no proxy of the mesh would follow its routes",
    ),
    "traffic to another port": (
        put("mesh_traffic[0].port", 9001),
        "mesh_traffic[0].port: 9001 is no port of orders, to which mesh_workloads gives 9000",
    ),
    "traffic to nearly an application": (
        put("mesh_traffic[0].service", "order"),
        "mesh_traffic[0].service: 'order' is no application of mesh_workloads in shop-orders; did you mean orders?",
    ),
    "traffic to a version of nobody": (
        put("mesh_traffic[0].versions[1]", {"name": "v2"}),
        "mesh_traffic[0].versions[1].name: 'v2' is no version of orders in mesh_workloads; there are v1",
    ),
    "shares of traffic": (
        put("mesh_traffic[0].routes[0].to", {"v1": 90}),
        "mesh_traffic[0].routes[0].to: the shares are 90 per cent together; expected 100",
    ),
    "a namespace of two domains": (put("mesh_domains[0].namespaces[1]", "shop-stock"), "mesh_domains names shop-stock more than once"),
    "the control plane as a member": (
        put("mesh_domains[0].namespaces[1]", "shop-system"),
        "mesh_domains names shop-system, which is the namespace of the control plane",
    ),
    "a persona outside of the mesh": (
        put("mesh_personas[0].namespaces[1]", "shop-ordres"),
        "mesh_personas[0].namespaces[1]: 'shop-ordres' is no namespace of mesh_domains, where ann is mesh_developer; "
        "did you mean shop-orders?",
    ),
    "a persona without namespaces": (
        put("mesh_personas[0].namespaces", DEL),
        "mesh_personas[0].namespaces: is missing; ann is mesh_developer",
    ),
    "an operator of a domain": (
        put("mesh_personas[1].namespaces[0]", "shop-web"),
        "mesh_personas[1].namespaces[0]: 'shop-web' belongs to a",
    ),
    "a field of another generation": (
        put("mesh_control_plane.mode", "MultiTenant"),
        "mesh_control_plane.mode with the value MultiTenant is not available in ossm3 v1.27.3",
    ),
    "a gateway with a name of its own twice": (
        put("mesh_control_plane.additional_ingress[1]", {"name": "partner-gateway"}),
        "mesh_control_plane.additional_ingress has the names partner-gateway, partner-gateway",
    ),
    "a share of more than all": (put("mesh_control_plane.tracing.sampling", "101"), "mesh_control_plane.tracing.sampling is 101"),
    "a version that is none": (put("mesh_ossm3_version", "latest"), "mesh_ossm3_version: 'latest' is no version"),
    "workloads outside of the mesh": (
        put("mesh_workloads[1].namespace", "shop-odrers"),
        "mesh_workloads[1].namespace: 'shop-odrers' is no namespace of mesh_domains, so its applications would get no proxy "
        "(inject: false says that they need none); did you mean shop-orders?",
    ),
    "an application twice, in two entries": (
        put("mesh_workloads[2]", {"namespace": "shop-web", "applications": [{"name": "web", "image": "web:2", "port": 8080}]}),
        "mesh_workloads names an application of shop-web twice: web, web",
    ),
    "a key that the Secret does not have": (
        put("mesh_workloads[0].applications[0].env.PASSWORD.valueFrom.secretKeyRef.key", "passwrd"),
        "mesh_workloads[0].applications[0].env: PASSWORD wants the key passwrd of the Secret login; did you mean password?",
    ),
    "an exemption outside of the mesh": (
        put("mesh_mtls[0].namespace", "shop-order"),
        "mesh_mtls[0].namespace: 'shop-order' is no namespace",
    ),
    "an exemption without a mode": (put("mesh_mtls[0].mode", DEL), "mesh_mtls of shop-orders/orders: it needs a mode or ports"),
    "a gateway of a known name": (
        put("mesh_gateways[0].name", "partner"),
        "mesh_gateways[1].name: mesh_gateways[0] is called partner as well",
    ),
    "a gateway that nobody serves": (
        put("mesh_gateways[0].gateway", "partner-gatway"),
        "mesh_gateways[0].gateway: 'partner-gatway' is neither ingress nor egress nor one of mesh_control_plane.additional_ingress; "
        "did you mean partner-gateway?",
    ),
    "a gateway that is turned off": (
        put("mesh_control_plane.ingress", {"enabled": "no"}),
        "mesh_gateways[0].gateway: mesh_control_plane.ingress",
    ),
    "a gateway that no project has": (
        put("mesh_gateways[0].gateway", "shop-orders/orders-gatway"),
        "mesh_gateways[0].gateway: 'shop-orders/orders-gatway' is none of mesh_project_gateways; did you mean shop-orders/orders-gateway?",
    ),
    "a port that a project's gateway has not": (
        put("mesh_gateways[0]", {"name": "web", "gateway": "shop-orders/orders-gateway", "hosts": ["a.example.com"], "port": 8443}),
        "mesh_gateways[0].port: 8443 is no port of the gateway shop-orders/orders-gateway, which has 80, 443",
    ),
    "a project's gateway beside the control plane": (
        put("mesh_project_gateways[0].namespace", "shop-system"),
        "mesh_project_gateways[0].namespace: shop-system is the namespace of the control plane",
    ),
    "a project's gateway outside of the mesh": (
        put("mesh_project_gateways[0].namespace", "shop-ordres"),
        "mesh_project_gateways[0].namespace: 'shop-ordres' is no namespace of mesh_domains, so its pods would get no proxy",
    ),
    "a project's gateway with the name of an application": (
        put("mesh_project_gateways[0].name", "orders"),
        "mesh_project_gateways[0].name: orders is an application of mesh_workloads in shop-orders",
    ),
    "a project's gateway twice": (
        put("mesh_project_gateways[1]", {"name": "orders-gateway", "namespace": "shop-orders"}),
        "mesh_project_gateways[1].name: mesh_project_gateways[0] is shop-orders/orders-gateway as well",
    ),
    "a gateway that is scaled twice": (
        put("mesh_project_gateways[0].replicas", 3),
        "mesh_project_gateways[0].replicas: autoscale decides how many pods there are",
    ),
    "a gateway with fewer pods at most than at least": (
        put("mesh_project_gateways[0].autoscale.max", 1),
        "mesh_project_gateways[0].autoscale.max: is 1, less than min (2)",
    ),
    "a port of a gateway twice": (
        put("mesh_project_gateways[0].ports", [{"name": "http", "port": 80}, {"name": "web", "port": 80}]),
        "mesh_project_gateways[0].ports: two of them have the port 80",
    ),
    "TLS without a certificate": (put("mesh_gateways[1].tls.credential_name", DEL), "mesh_gateways[1].tls.credential_name: is missing"),
    "a certificate without TLS": (
        put("mesh_gateways[0].tls", {"credential_name": "a"}),
        "mesh_gateways[0].tls: the protocol is HTTP, which",
    ),
    "a port of two protocols": (
        put("mesh_gateways[2]", {"name": "b", "gateway": "partner-gateway", "port": "443", "protocol": "HTTP", "hosts": ["b.example.com"]}),
        "mesh_gateways[2].port: mesh_gateways[1] has port 443 of the same gateway (partner-gateway) with TLS, and this one with HTTP",
    ),
    "a route to outside": (
        put("mesh_gateways[0].routes[0].namespace", "shop-wbe"),
        "mesh_gateways[0].routes[0].namespace: 'shop-wbe' is no namespace of mesh_domains, so the gateway cannot reach it; "
        "did you mean shop-web?",
    ),
    "routes that are kept outside": (
        put("mesh_gateways[1].virtual_service.namespace", "elsewhere"),
        "mesh_gateways[1].virtual_service.namespace: 'elsewhere' is no namespace of mesh_domains, so the gateway would not get its routes",
    ),
    "a route to another port": (
        put("mesh_gateways[0].routes[0].port", 80),
        "mesh_gateways[0].routes[0].port: 80 is no port of web, to which mesh_workloads gives 8080",
    ),
    "a handshake with nobody": (
        put("mesh_gateways_handshakes[0].gateway", "web"),
        "mesh_gateways_handshakes[0].gateway: 'web' is no gateway",
    ),
    "a handshake without a certificate": (
        put("mesh_gateways_handshakes[0].client_certificate", DEL),
        "mesh_gateways_handshakes[0].client_certificate: is missing; the gateway partner wants client certificates (MUTUAL)",
    ),
    "Kiali without Prometheus": (
        put("mesh_observability.prometheus", {"enabled": False}),
        "mesh_observability.kiali.enabled: it reads from",
    ),
    "a tool of another generation": (
        put("mesh_observability", {"kiali": {}, "jaeger": {}, "tempo": {"enabled": False}, "opentelemetry": {"exporter": "a:4317"}}),
        "mesh_observability.jaeger: its operator is not available for ossm3",
    ),
    "a channel of nobody": (
        put("mesh_operators_channels.kiali-osm", "stable"),
        "mesh_operators_channels: kiali-osm is no package of this mesh; did you mean kiali-ossm?",
    ),
    "a version for a name": (
        put("mesh_operators_versions.servicemeshoperator3", "3.2.0"),
        "mesh_operators_versions: servicemeshoperator3 has 3.2.0, expected the full name",
    ),
    "a first version for a name": (
        put("mesh_operators_starting_csvs.servicemeshoperator3", "v3.2.0"),
        "mesh_operators_starting_csvs: servicemeshoperator3 has v3.2.0, expected the full name",
    ),
    "access in a form that there is not": (
        put("mesh_access.rules[1].methods", ["get"]),
        "mesh_access.rules[1] (inside).methods: 'get' never",
    ),
    "access of a domain that there is not": (
        put("mesh_access.rules[2].from[0]", "domain:frnt"),
        "mesh_access.rules[2] (partners).from: 'domain:frnt' is no domain of mesh_domains; did you mean front?",
    ),
    "access to what is not closed": (
        put("mesh_access.rules[1].to[0]", "shop-wbe/web"),
        "mesh_access.rules[1] (inside).to: 'shop-wbe/web' is in the namespace shop-wbe, which is not closed",
    ),
    "access with an issuer that there is not": (
        put("mesh_access.rules[2].tokens[0]", "ssso/*"),
        "mesh_access.rules[2] (partners).tokens: 'ssso/*' is no ISSUER/SUBJECT of an issuer of mesh_access.issuers, so such a token "
        "would not be checked; did you mean sso?",
    ),
    "a closed namespace outside of the mesh": (
        put("mesh_access.namespaces", ["shop-web", "shop-orders", "shop-stock", "shop-stok"]),
        "mesh_access.namespaces: 'shop-stok' is no namespace of mesh_domains, so no proxy there would deny anything; "
        "did you mean shop-stock?",
    ),
    "an exception outside": (
        put("mesh_access.mtls.exceptions[0].for", "namespace:shop-stok"),
        "mesh_access.mtls.exceptions: 'namespace:shop-stok' is none of the namespaces that are closed; did you mean shop-stock?",
    ),
    "a closed domain that there is not": (put("mesh_access.close", ["domain:bak"]), "mesh_access.close: 'domain:bak' is no domain"),
    "a wave of an unknown domain": (
        put("mesh_upgrade.waves[0].domains[0]", "bak"),
        "mesh_upgrade.waves: these waves cannot be used: wave first",
    ),
    "a wave of an unknown key": (
        put("mesh_upgrade.waves[0].domain", "back"),
        "mesh_upgrade.waves: these waves cannot be used: wave first has",
    ),
    "a wave outside of the mesh": (
        put("mesh_upgrade.waves[1].namespaces[0]", "shop-wbe"),
        "mesh_upgrade.waves[1].namespaces[0]: 'shop-wbe' is no namespace of mesh_domains, so the wave would restart nothing there",
    ),
    "a tag with no wave": (
        put("mesh_upgrade.tag", "wbe"),
        "mesh_upgrade.tag: 'wbe' is neither first nor last nor a wave; did you mean web?",
    ),
    "a window without an end": (put("mesh_upgrade.windows[0].end", DEL), "mesh_upgrade.windows: maintenance window 1 needs start and end"),
    "a width of nothing": (put("mesh_upgrade.concurrency", "half"), "mesh_upgrade.concurrency: the concurrency half is no number"),
    "an end with no wave": (put("upgrade_until", "webb"), "upgrade_until: 'webb' is no wave of mesh_upgrade.waves; did you mean web?"),
    "a hop over a version": (put("upgrade_hops", ["v1.24.3", "v1.27.3"]), "upgrade_hops: from v1.24.3 to v1.27.3"),
    "a domain that cannot move": (
        put("migration_only", ["fornt"]),
        "migration_only[0]: 'fornt' is no domain of mesh_domains; did you mean front?",
    ),
    "an object in another form": (put("mesh_adopt[0]", "shop-system/cacerts"), "mesh_adopt[0]: 'shop-system/cacerts' is no object"),
    "a certificate for other hosts": (
        put("mesh_certificates_gateways[0].hosts[0]", "partner.example.com"),
        "mesh_certificates_gateways[0].hosts: do not cover *.partner.example.com, which the gateway partner serves with this certificate",
    ),
    "a gateway of the Gateway API outside of the mesh": (
        put("mesh_gateways[0]", {"name": "edge", "api": "gateway", "namespace": "shopweb", "hosts": ["a.example.com"]}),
        "mesh_gateways[0].namespace: 'shopweb' is no namespace of mesh_domains, so istiod would make no pods for the gateway; "
        "did you mean shop-web?",
    ),
    "routes from outside of the mesh at such a gateway": (
        put("mesh_gateways[0]", {"name": "edge", "api": "gateway", "hosts": ["a.example.com"], "allowed_routes": ["shop-sotck"]}),
        "mesh_gateways[0].allowed_routes[0]: 'shop-sotck' is no namespace of mesh_domains",
    ),
    "a certificate for other hosts of its second listener": (
        put("mesh_gateways[0]", {"name": "edge", "api": "gateway", "hosts": ["a.example.com"], "listeners": [SECOND_LISTENER]}),
        "mesh_certificates_gateways[0].hosts: do not cover a.example.com, which the gateway edge serves with this certificate",
    ),
    "a certificate without the clients' roots": (
        put("mesh_certificates_gateways[0].mutual", "no"),
        "mesh_certificates_gateways[0].mutual: is not true, and the gateway partner wants client certificates",
    ),
    "two certificates of one name": (put("mesh_certificates_clients[0].name", "partner-cert"), "A name is used twice among the CA,"),
    "pem without its files": (
        put("mesh_certificates_provider", "pem"),
        "partner-cert: with certificates_provider pem it needs certificate and key",
    ),
    "roots beside a CA that is not asked for": (
        put("mesh_certificates_extra_roots", ["old.pem"]),
        "mesh_certificates_extra_roots is set: the intent asks for no CA of the mesh",
    ),
    "a Secret without its namespace": (
        put("mesh_certificates_gateways[0].from_secret", "partner-cert"),
        "mesh_certificates_gateways[0].from_secret: expected NAMESPACE/NAME",
    ),
    "istio-csr without a port to ask": (
        put("mesh_control_plane.certificate_authority", {"type": "istio_csr", "address": "istio-csr"}),
        "mesh_control_plane.certificate_authority.address: 'istio-csr' is no SERVICE.NAMESPACE.svc:PORT",
    ),
    "a check that there is not": (put("mesh_check_only[0]", "OSM1031"), "mesh_check_only[0]: there is no check OSM1031; did you mean"),
    "a check that there is not, in a text": (put("mesh_check_only", "OSM1301, OSM1031"), "mesh_check_only[1]: there is no check OSM1031"),
    "a threshold that there is not": (
        put("mesh_check_thresholds", {"certificate_day": 3}),
        "mesh_check_thresholds: there is no threshold certificate_day;",
    ),
    "a category that there is not": (
        put("mesh_check_categories[0]", "certificate"),
        "mesh_check_categories[0]: there is no category certificate",
    ),
}


# What is then wrong of another variable as well.
TWOFOLD = {"the control plane as a member", "a domain of a known name"}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_named(case: str) -> None:
    change, says = CASES[case]
    values = copy.deepcopy(GOOD)
    change(values)
    found = refusals(judged(values))
    # pem wants it of each entry
    more = [text for text in found[1:] if case not in TWOFOLD and "certificates_provider pem" not in text]
    assert found and found[0].startswith(says) and not more, found
    assert "s3cr3t-value" not in " ".join(found)


@pytest.mark.parametrize("switch", [True, "yes", "y", "t", "on", "1"])
def test_a_switch_is_read_as_the_role_reads_it(switch: Any) -> None:
    values = copy.deepcopy(GOOD)
    put("mesh_certificates_gateways[0].mutual", switch)(values)
    assert refusals(judged(values)) == []


def test_traffic_to_a_version_of_its_own_name_and_to_a_further_port() -> None:
    """A version may be a map, whose label is what traffic chooses by, and a Service has several ports."""
    values = copy.deepcopy(GOOD)
    more = {"versions": [{"name": "v1"}, {"name": "canary", "label": "v2"}], "ports": [{"name": "grpc", "port": 9001}]}
    values["mesh_workloads"][1]["applications"][0] |= more
    put("mesh_traffic[0].versions[1]", {"name": "v2"})(values)
    put("mesh_traffic[0].port", 9001)(values)
    assert refusals(judged(values)) == []
    put("mesh_traffic[0].versions[1].name", "canary")(values)
    assert refusals(judged(values)) == [
        "mesh_traffic[0].versions[1].name: 'canary' is no version of orders in mesh_workloads; there are v1, v2",
    ]


def test_an_application_needs_a_member_where_one_of_its_versions_has_a_proxy() -> None:
    values = copy.deepcopy(GOOD)
    put("mesh_workloads[2]", {"namespace": "other", "applications": [{"name": "a", "image": "a:1", "port": 80}]})(values)
    put("mesh_workloads[2].applications[0].versions", [{"name": "v1", "inject": False}])(values)
    assert refusals(judged(values)) == []
    put("mesh_workloads[2].applications[0].inject", False)(values)
    put("mesh_workloads[2].applications[0].versions[1]", {"name": "v2", "inject": True})(values)
    assert [text.partition(":")[0] for text in refusals(judged(values))] == ["mesh_workloads[2].namespace"]


def test_all_of_them_at_once() -> None:
    values = copy.deepcopy(GOOD)
    chosen = [case for case in CASES if "twice" not in case and "two" not in case and not case.startswith(("pem", "a tool", "TLS"))]
    for case in ("a persona outside of the mesh", "a route to another port", "a tag with no wave", "an object in another form"):
        assert case in chosen
        CASES[case][0](values)
    assert len(refusals(judged(values))) == 4


@pytest.mark.parametrize("variable", sorted({name for rule in RULES for name in rule.of}))
def test_what_has_another_shape_is_judged_no_further(variable: str) -> None:
    for value in ("text", 7, ["text"], [{"name": ["a"]}], {"name": {}}):
        refusals(judged({**GOOD, variable: value}, broken=frozenset({variable})))


def test_without_domains_a_playbook_that_only_looks_has_nothing_to_compare_with() -> None:
    values = {name: value for name, value in GOOD.items() if name not in ("mesh_domains", "migration_only")}
    values["mesh_upgrade"] = {"waves": [{"domains": ["back"]}]}
    assert refusals(judged(values, roles=frozenset())) == []
    assert any("mesh_personas" in text for text in refusals(judged(values)))


def test_what_is_not_released_yet_is_a_version() -> None:
    assert refusals(judged({**GOOD, "mesh_ossm3_version": "master"}, versions={**VERSIONS, "ossm3": "master"})) == []


def test_keys_are_opened_only_where_certificates_are_made() -> None:
    values = copy.deepcopy(GOOD)
    CASES["two certificates of one name"][0](values)
    assert refusals(judged(values, roles=ROLES)) == []


def test_two_meshes_of_one_cluster() -> None:
    found = refusals(judged(GOOD, neighbours=(Neighbour("east", "other", [{"name": "a", "namespaces": ["shop-web"]}]),)))
    assert len(found) == 1 and found[0].startswith("shop-web would be in two meshes of one cluster: shop (host west) and other (host east)")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            put("mesh_gateways[1].routes[0].service", "ordres"),
            "mesh_gateways[1].routes[0].service: 'ordres' is no application of mesh_workloads in shop-orders; did you mean orders?",
        ),
        (put("mesh_gateways[0].routes[0].service", "a-team-s-own"), ""),
        (put("mesh_gateways[1].tls.credential_name", "partner-crt"), "mesh_gateways[1].tls.credential_name: 'partner-crt' is none of"),
    ],
)
def test_a_name_that_may_be_somebody_else_s_is_a_warning(change: Callable[[dict[str, Any]], None], says: str) -> None:
    values = copy.deepcopy(GOOD)
    change(values)
    found = notes(judged(values))
    assert refusals(judged(values)) == [] and len(found) == bool(says) and all(text.startswith(says) for text in found), found
