# SPDX-License-Identifier: GPL-3.0-or-later
"""The travel mesh in small: its workloads, and the policies of each stage of the zero-trust story as a person would write them."""

from __future__ import annotations

from typing import Any

from authorization_worlds import policy, source

AGENCY, PORTAL, CONTROL, ROOT = "prod-travel-agency", "prod-travel-portal", "prod-travel-control", "prod-istio-system"
ISSUER = "https://sso.example.com/auth/realms/servicemesh-lab"
PARTNER = {"app": "gto-external-ingressgateway", "istio": "gto-external-ingressgateway"}
INGRESS = {"app": "istio-ingressgateway", "istio": "ingressgateway"}


def workload(namespace: str, name: str, port: int = 8000, word: str = "http", **template: Any) -> list[dict[str, Any]]:
    """A Deployment and its Service."""
    labels = template.pop("labels", {"app": name})
    spec = {"containers": [{"name": "main", "ports": [{"containerPort": port}]}], **template}
    metadata = {"name": name, "namespace": namespace}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"template": {"metadata": {"labels": labels}, "spec": spec}},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": labels, "ports": [{"port": port, "name": f"{word}-main"}]},
        },
    ]


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {"istio-injection": "enabled"}}}


def token_rules(issuer: str = ISSUER) -> dict[str, Any]:
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": "partner", "namespace": ROOT},
        "spec": {"selector": {"matchLabels": PARTNER}, "jwtRules": [{"issuer": issuer, "jwksUri": f"{issuer}/certs"}]},
    }


def mtls(mode: str = "STRICT", where: str = ROOT) -> dict[str, Any]:
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "default", "namespace": where},
        "spec": {"mtls": {"mode": mode}},
    }


def mesh() -> list[dict[str, Any]]:
    """Everything but policies."""
    found: list[dict[str, Any]] = [namespace(name) for name in (AGENCY, PORTAL, CONTROL, ROOT)]
    found.append(
        {
            "apiVersion": "sailoperator.io/v1",
            "kind": "Istio",
            "metadata": {"name": "production"},
            "spec": {"namespace": ROOT, "version": "v1.30.1", "values": {"meshConfig": {"trustDomain": "cluster.local"}}},
        }
    )
    for name in ("travels", "flights", "hotels", "cars", "insurances", "discounts"):
        found += workload(AGENCY, name)
    found += workload(AGENCY, "mysqldb", 3306, "tcp")
    for name in ("travels", "viaggi", "voyages"):
        found += workload(PORTAL, name)
    found += workload(CONTROL, "control", 8080)
    for name, labels in (("istio-ingressgateway", INGRESS), ("gto-external-ingressgateway", PARTNER)):
        found += workload(ROOT, name, 8443, "https", labels=labels, serviceAccountName=f"{name}-service-account")
    return [*found, mtls(), token_rules()]


def gateway_account(name: str) -> str:
    return f"cluster.local/ns/{ROOT}/sa/{name}-service-account"


DEFAULT = {where: f"cluster.local/ns/{where}/sa/default" for where in (AGENCY, PORTAL, CONTROL)}


def partner_token(issuer: str = ISSUER) -> dict[str, Any]:
    """Scenario 4: a token of the realm is needed at the partner's gateway."""
    return policy(
        source(requestPrincipals=[f"{issuer}/*"]), name="authpolicy-gto-external", namespace=ROOT, selector={"matchLabels": PARTNER}
    )


def partner_paths(name: str = "authpolicy-gto-external", issuer: str = ISSUER) -> dict[str, Any]:
    """Stage 6: meant to leave only flights and insurances; it has the name of scenario 4's policy."""
    rule = {**source(requestPrincipals=[f"{issuer}/*"]), "to": [{"operation": {"notPaths": ["/flights*", "/insurances*"]}}]}
    return policy(rule, action="DENY", name=name, namespace=ROOT, selector={"matchLabels": PARTNER})


def agency(*callers: str) -> dict[str, Any]:
    """Stages 3, 4 and 5 are one object, with one caller more each."""
    return policy(*[source(principals=[caller]) for caller in callers], name="travel-agency-allow", namespace=AGENCY)


def nothing(where: str) -> dict[str, Any]:
    found = policy(name="allow-nothing", namespace=where, action=None)
    found["spec"] = {}
    return found


def stages() -> dict[int, list[dict[str, Any]]]:
    """The mesh after each stage."""
    gto = gateway_account("gto-external-ingressgateway")
    found = {0: [*mesh(), partner_token()]}
    found[1] = [*found[0], nothing(CONTROL), nothing(AGENCY)]
    external = policy({}, name="ingress", namespace=ROOT, selector={"matchLabels": INGRESS})
    control = policy(source(principals=[gateway_account("istio-ingressgateway")]), name="control-allow", namespace=CONTROL)
    found[2] = [*found[1], external, control]
    found[3] = [*found[2], agency(gto)]
    found[4] = [*found[2], agency(gto, DEFAULT[AGENCY])]
    found[5] = [*found[2], agency(gto, DEFAULT[AGENCY], DEFAULT[PORTAL])]
    found[6] = [obj for obj in found[5] if obj["metadata"]["name"] != "authpolicy-gto-external"] + [partner_paths()]
    return found
