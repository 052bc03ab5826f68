# SPDX-License-Identifier: GPL-3.0-or-later
"""The production mesh of the travel organisation under a real istiod, chapter after chapter: each request goes where it was predicted.

Predicted is by our evaluators from a snapshot of the cluster, seen is what real sidecars and gateways answer.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from pods_support import missing
from predicted_support import CLOSED, Predictor, Probe, Token, agreed, snapshot
from testbed import Bed
from testbed.calls import Asked, Calls, ask
from testbed.errors import BedError
from testbed.patience import meanwhile
from testbed.pods.spec import proxy_container
from testbed.pods.status import says_ready
from tokens_support import PASSWORD, TokenIssuer, issuing
from travel_support import USER, Playbook, Travel, forwarded, said
from zero_trust_support import AGENCY, CONTROL, NAMESPACES, PORTAL, ROOT

Obj = dict[str, Any]
# One worker, in the order of this file: each chapter goes on where the one before it ended.
pytestmark = [
    pytest.mark.long,
    pytest.mark.xdist_group("travel-pods"),
    pytest.mark.skipif(missing() is not None, reason=f"the data plane pods: {missing()}"),
]
OPERATORS = ("olm", "sail", "openshift", "observability", "pods")
PLANE = {"name": "production", "namespace": ROOT}
DASHBOARD = "travel-prod.apps.prod.example.com"
APPLICATIONS = {
    f"{CONTROL}/control": 8080,
    **{f"{PORTAL}/{name}": 8000 for name in ("travels", "viaggi", "voyages")},
    **{f"{AGENCY}/{name}": 8000 for name in ("travels", "flights", "hotels", "cars", "insurances", "discounts")},
    f"{AGENCY}/mysqldb": 3306,
}
UNKNOWN = "api.partner.example.com"
STRANGER = "outsiders/stranger"


def url(ref: str, path: str = "/") -> str:
    namespace, _slash, name = ref.partition("/")
    return f"http://{name}.{namespace}:{APPLICATIONS[ref]}{path}"


@dataclass(frozen=True)
class Story(Travel):
    def predictor(self) -> Predictor:
        return Predictor(snapshot(self.bed, NAMESPACES, ROOT), PLANE, NAMESPACES)

    def apply(self, *objects: Obj) -> None:
        done = self.bed.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
        assert done.returncode == 0, done.stderr

    def address(self, service: str) -> str:
        """Where a caller from outside comes to a gateway."""
        found: str = self.bed.api.get(f"/api/v1/namespaces/{ROOT}/services/{service}")["spec"]["clusterIP"]
        return found


@pytest.fixture(scope="module", name="travel")
def _travel(beds: Callable[..., Bed], playbook: Playbook) -> Iterator[Story]:
    bed = beds(*OPERATORS, tag="travel-pods")
    story = Story(bed, bed.user_kubeconfig(USER, ["system:masters"]), playbook)
    story.play().check()
    bed.set_outside({f"{UNKNOWN}:80": "127.0.0.1:1"})  # it has a name and an address, and nobody gets that far
    bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": "outsiders"}})
    assert bed.kubectl("create", "deployment", "stranger", "-n", "outsiders", "--image=registry.example.com/stranger:1").returncode == 0
    done = bed.kubectl("wait", "deployment/stranger", "-n", "outsiders", "--for=condition=Available", "--timeout=60s")
    assert done.returncode == 0, done.stderr
    yield story


def within(*more: Probe) -> list[Probe]:
    """Everybody calls everybody, and somebody without a proxy does."""
    pairs = [Probe(source, url(target)) for source in APPLICATIONS for target in APPLICATIONS]
    return [*pairs, *(Probe(STRANGER, url(target), proxied=False) for target in APPLICATIONS), *more]


def from_outside(travel: Story, host: str, *paths: str, gateway: str = "istio-ingressgateway") -> list[Probe]:
    address = travel.address(gateway)
    return [Probe("", f"http://{host}{path}", to=address) for path in paths or ("/",)]


def test_every_request_in_the_mesh_and_from_outside_is_as_predicted(travel: Story) -> None:
    unknown = [Probe(source, f"http://{UNKNOWN}/") for source in APPLICATIONS]
    outside = [*from_outside(travel, DASHBOARD, "/", "/travels"), *from_outside(travel, "other.example.com")]
    found = agreed(travel.bed, travel.predictor().of([*within(*unknown), *outside]))
    assert all(f"{ref.partition('/')[2]}.{ref.partition('/')[0]}" in found for ref in APPLICATIONS), found
    # Nobody without a proxy gets in, nobody gets out to what is not registered, and the gateway knows one host.
    assert (found[CLOSED], found["502"], found["404"]) == (len(APPLICATIONS), len(APPLICATIONS), 1), found


MANY = Path(__file__).resolve().parents[1] / "data" / "many_policies.yaml"
ASKED: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("GET", "/", {}),
    ("POST", "/", {}),
    ("DELETE", "/x", {}),
    ("GET", "/admin/x", {}),
    ("GET", "/status/200", {}),
    ("GET", "/admin/health", {}),
    ("GET", "/x/health", {"x-team": "gold"}),
    ("GET", "/", {"x-team": "silver-two"}),
)


def test_policies_and_routes_of_every_sort_do_what_is_predicted(travel: Story) -> None:
    """1,100 requests: every caller, every application, by eight methods, paths and headers."""
    objects = list(yaml.safe_load_all(MANY.read_text(encoding="utf-8")))
    travel.apply(*objects)
    try:
        probes = [
            Probe(source, url(target, path), method, headers, proxied=source != STRANGER)
            for source in (*APPLICATIONS, STRANGER)
            for target in APPLICATIONS
            for method, path, headers in ASKED
        ]
        found = agreed(travel.bed, travel.predictor().of(probes))
        # each sort of outcome was there
        assert {"403", "404", "410", "418", "301", "502", "503", "507", CLOSED} <= set(found), found
    finally:
        for obj in objects:
            place = ("-n", obj["metadata"]["namespace"], "--ignore-not-found")
            travel.bed.kubectl("delete", f"{obj['kind']}.{obj['apiVersion'].partition('/')[0]}", obj["metadata"]["name"], *place)
    agreed(travel.bed, travel.predictor().of(within()))


# -- chapter 4: the partner

PARTNER, PARTNERS = f"gto-external-{ROOT}.apps.prod.example.com", "gto-external-ingressgateway"
ISSUER = "https://sso.example.com/auth/realms/servicemesh-lab"


@pytest.fixture(scope="module", name="kept")
def _kept(tmp_path_factory: pytest.TempPathFactory) -> Obj:
    """Where the certificates of these chapters are."""
    folder = tmp_path_factory.mktemp("travel-pods")
    return {"mesh_certificates_store": str(folder / "pki"), "travel_partner_bundle": str(folder / "gto")}


def as_partner(travel: Story, kept: Obj, path: str, **headers: str) -> Probe:
    bundle = Path(kept["travel_partner_bundle"])
    tls = ssl.create_default_context(cafile=bundle / "curl-client-ca.crt")
    tls.load_cert_chain(bundle / "curl-client.crt", bundle / "curl-client.key")
    return Probe("", f"https://{PARTNER}{path}", headers=headers, to=travel.address(PARTNERS), tls=tls)


def reach(travel: Story) -> Obj:
    """The partner's gateway from the machine of the playbook."""
    return {"travel-api-gateway": {"address": "127.0.0.1", "port": forwarded(travel.bed, ROOT, PARTNERS, 8443)}}


SERVICES = ("flights", "hotels", "cars", "insurances", "travels")


def test_the_partners_gateway_leads_where_it_is_predicted(travel: Story, kept: Obj) -> None:
    travel.play("meshops.mesh.travel_partner_gateway", extra_vars={**kept, "mesh_check_only": ["OSM1508", "OSM1505"]}).check()
    done = travel.play("meshops.mesh.travel_partner_gateway", extra_vars={**kept, "travel_reach": reach(travel)}).check()
    for who in ("a caller without a certificate", "a caller with a certificate of a foreign CA"):
        assert f"{PARTNER} refuses {who}" in said(done)
    paths = [f"/{service}{more}" for service in (*SERVICES, "discounts") for more in ("", "/Tallinn", "x")]
    found = agreed(travel.bed, travel.predictor().of(as_partner(travel, kept, path) for path in (*paths, "/")))
    assert {f"{service}.{AGENCY}" for service in SERVICES} | {"404"} == set(found), found
    agreed(travel.bed, travel.predictor().of(within()))


def claims_of(token: str) -> Obj:
    """What a token says."""
    body = token.split(".")[1]
    found: Obj = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


# What Envoy cannot read as a registered claim, and what it just can.
ODD: tuple[tuple[str, Any], ...] = (
    ("sub", None), ("sub", 7), ("sub", ""), ("iss", [ISSUER]), ("jti", 5), ("aud", 5), ("aud", [1, "api"]), ("aud", []), ("exp", "soon"),
    ("exp", True), ("exp", None), ("exp", -1), ("exp", 0), ("exp", 2**53), ("nbf", "x"), ("nbf", None), ("nbf", 1e300), ("iat", "x"),
    ("iat", -1),
)  # fmt: skip


def tokens_of(issuer: TokenIssuer) -> dict[str, tuple[str, bool]]:
    """{what it is: (the token, whether the issuer signed it)}"""
    now, other = int(time.time()), TokenIssuer(ISSUER)
    return {
        "good": (issuer.sign(), True),
        "signed by another key": (issuer.sign(other.key), False),
        "of another issuer": (issuer.sign(iss="https://sso.example.com/auth/realms/other"), True),
        "expired": (issuer.sign(iat=now - 7200, exp=now - 3600), True),
        "of tomorrow": (issuer.sign(nbf=now + 86400, exp=now + 90000), True),
        "of another group": (issuer.sign(groups=["guests"]), True),
        "of no group": (issuer.sign(groups=...), True),
        "of two groups": (issuer.sign(groups=["guests", "partners"]), True),
        "for somebody": (issuer.sign(aud="somebody"), True),
        "without a subject": (issuer.sign(sub=...), True),
        "that lasts for ever": (issuer.sign(exp=...), True),
        "that was made later": (issuer.sign(iat=now + 3600), True),
        **{f"with {name} {value!r}": (issuer.sign(**{name: value}), True) for name, value in ODD},
    }


def test_tokens_of_every_sort_open_what_is_predicted(travel: Story, kept: Obj) -> None:
    """By the header and by the parameter of Istio's own, for what the gateway serves and what it does not."""
    rule = {"name": "partner", "from": ["anyone"], "to": [f"gateway:{PARTNERS}"], "tokens": ["sso/*"]}
    with issuing(ISSUER) as issuer:
        issuer.claims = {"groups": ["partners"]}
        sso = {"issuer": ISSUER, "jwks_uri": f"{issuer.url}/certs", "token_uri": f"{issuer.url}/token", "client_id": "istio"}
        given = {
            **kept,
            "travel_reach": reach(travel),
            "travel_partner_sso": {**sso, "username": "gtouser"},
            "travel_partner_password": PASSWORD,
            "travel_partner_rules": [{**rule, "claims": {"groups": ["partners"]}}],
        }
        done = travel.play("meshops.mesh.travel_partner_jwt", extra_vars=given).check()
        assert "5 calls: 3 allowed, 2 denied, 0 without a verdict; 5 as expected, 0 otherwise" in said(done), said(done)[-3000:]
        assert "GET /certs" in issuer.asked, "istiod asks for the keys"
        predictor = travel.predictor()
        gateway, rows = f"{ROOT}/{PARTNERS}", []
        outcomes: dict[str, set[str]] = {}
        for path in ("/flights/Tallinn", "/hotels/Tallinn", "/discounts/Tallinn"):
            bare = as_partner(travel, kept, path)
            rows.append((bare, predictor.with_token(bare, gateway, None)))
            for what, (token, signed) in tokens_of(issuer).items():
                claims = claims_of(token)
                for probe, place in (
                    (as_partner(travel, kept, path, authorization=f"Bearer {token}"), "header:authorization"),
                    (as_partner(travel, kept, f"{path}?access_token={token}"), "param:access_token"),
                ):
                    words = predictor.with_token(probe, gateway, Token(claims, signed, place))
                    outcomes.setdefault(what, set()).update(words)
                    rows.append((probe, words))
        found = agreed(travel.bed, rows)
        assert outcomes["good"] == outcomes["of two groups"] == {f"flights.{AGENCY}", f"hotels.{AGENCY}", "404"}, outcomes
        assert outcomes["of another group"] == outcomes["of no group"] == {"403"}, outcomes
        assert outcomes["expired"] == outcomes["signed by another key"] == outcomes["of another issuer"] == {"401"}, outcomes
        assert found["401"] and found["403"], found
        agreed(travel.bed, predictor.of([*within(), *from_outside(travel, DASHBOARD)]))
        again = travel.play("meshops.mesh.travel_partner_jwt", extra_vars=given).check()
        assert again.changed == 0, again.stdout[-4000:]
    travel.play("meshops.mesh.travel_partner_jwt", extra_vars={**given, "access_state": "absent"}).check()
    agreed(travel.bed, travel.predictor().of(as_partner(travel, kept, f"/{service}/Tallinn") for service in SERVICES))


# -- chapter 5: the corporate CA


def proxies(travel: Story) -> list[str]:
    """The pods with a proxy that stay and are ready, as namespace/name."""
    found = []
    for namespace in NAMESPACES:
        for pod in travel.bed.api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]:
            if proxy_container(pod) and says_ready(pod) and not pod["metadata"].get("deletionTimestamp"):
                found.append(f"{namespace}/{pod['metadata']['name']}")
    return found


def asked(travel: Story, path: str) -> dict[str, Obj]:
    """What the admin interface of each proxy says; nothing of one that goes meanwhile."""
    pods = proxies(travel)
    answers = ask(travel.bed, [Asked(f"http://127.0.0.1:15000{path}", source=pod) for pod in pods])
    return {pod: json.loads(answer.text) for pod, answer in zip(pods, answers, strict=True) if answer.status == 200}


def trusted(travel: Story) -> dict[str, frozenset[int]]:
    """The serial numbers of the roots that each proxy takes of the mesh's callers and services."""
    found = {}
    for pod, said_ in asked(travel, "/certs").items():
        own = [row for row in said_["certificates"] if any("uri" in name for one in row["cert_chain"] for name in one["subject_alt_names"])]
        found[pod] = frozenset(int(one["serial_number"], 16) for row in own for one in row["ca_cert"])
    return found


def signers(travel: Story) -> dict[str, str]:
    """Who signed the certificate that each proxy uses."""
    found = {}
    for pod, dump in asked(travel, "/config_dump?resource=dynamic_active_secrets").items():
        held = {row["name"]: row["secret"] for row in dump["configs"]}
        chain = base64.b64decode(held["default"]["tls_certificate"]["certificate_chain"]["inline_bytes"])
        found[pod] = x509.load_pem_x509_certificate(chain).issuer.rfc4514_string()
    return found


def serials(pem: str) -> frozenset[int]:
    return frozenset(one.serial_number for one in x509.load_pem_x509_certificates(pem.encode()))


def root_of(travel: Story) -> str:
    """What istiod hands out."""
    return str(travel.bed.api.get(f"/api/v1/namespaces/{AGENCY}/configmaps/istio-ca-root-cert")["data"]["root-cert.pem"])


def test_the_corporate_ca_comes_without_a_failed_call_and_each_proxy_trusts_what_is_predicted(travel: Story, kept: Obj) -> None:
    old = serials(root_of(travel))
    assert set(trusted(travel).values()) == {old} and set(signers(travel).values()) == {"O=cluster.local"}
    there, states = len(proxies(travel)), set[frozenset[int]]()

    def look() -> None:
        with suppress(BedError):  # a pod that goes meanwhile
            states.update(trusted(travel).values())

    lasting = {"keep_alive": False, "timeout": 10, "rate": 10}
    browser = Calls(travel.bed, f"http://{DASHBOARD}/", to=travel.address("istio-ingressgateway"), **lasting)
    portal = Calls(travel.bed, url(f"{AGENCY}/travels"), source=f"{PORTAL}/viaggi", **lasting)
    agency = Calls(travel.bed, url(f"{AGENCY}/cars"), source=f"{AGENCY}/travels", **lasting)
    rotation = {"renew": "restart", "wave_size": 20, "interval": 0.5}
    with browser, portal, agency, meanwhile(look, pause=1.0):
        run = travel.play("meshops.mesh.travel_corporate_ca", extra_vars={**kept, "mesh_certificates_rotation": rotation}).check()
    for phase in ("distribute", "switch", "retire"):
        assert re.search(rf"^{phase}: proved safe", run.stdout, re.MULTILINE), run.stdout[-5000:]
    new = serials(root_of(travel))
    # What the rotation proves safe is these three, and no fourth.
    assert states == {old, old | new, new}, states
    assert set(trusted(travel).values()) == {new} and new.isdisjoint(old)
    middle = "CN=Travel Agency Ltd Intermediate CA,OU=Travel Agency Ltd Certificate Authority"
    assert all(name.startswith(middle) for name in signers(travel).values()), signers(travel)
    assert f"before  O=cluster.local ({there})\n  after   {middle}" in run.stdout, run.stdout[-5000:]
    for name, calls in {"browser": browser, "portal": portal, "agency": agency}.items():
        assert calls.failed() == [], f"{name}: {len(calls.failed())} of {len(calls)}: {calls.failed()[:3]}"
        assert len(calls) > 100
    agreed(travel.bed, travel.predictor().of(within()))
    again = travel.play("meshops.mesh.travel_corporate_ca", extra_vars={**kept, "mesh_certificates_rotation": rotation}).check()
    assert again.changed == 0 and "nothing to do: this CA signs" in again.stdout
