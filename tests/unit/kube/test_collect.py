# SPDX-License-Identifier: GPL-3.0-or-later
"""The one pass over a cluster: which kinds are asked for, what is said of those that may not be read, and no Secret too many."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import Unreachable
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import HttpResponse
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.collect import KINDS, collect, review
from ansible_collections.meshops.mesh.plugins.module_utils._kube.wait import ClusterLookup

Obj = dict[str, Any]
NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
FORBIDDEN = (403, {"message": "forbidden: User cannot do that"})
# kind: (group/version, plural, namespaced)
SERVED: dict[str, tuple[str, str, bool]] = {
    "Namespace": ("v1", "namespaces", False), "Pod": ("v1", "pods", True), "Secret": ("v1", "secrets", True),
    "Gateway": ("networking.istio.io/v1beta1", "gateways", True),
    "RequestAuthentication": ("security.istio.io/v1", "requestauthentications", True),
    "Istio": ("sailoperator.io/v1", "istios", False),
    "Unlisted": ("extensions.istio.io/v1alpha1", "unlisted", True),
    "Stranger": ("example.com/v1", "strangers", True),
    "Subscription": ("operators.coreos.com/v1alpha1", "subscriptions", True),
    "PackageManifest": ("packages.operators.coreos.com/v1", "packagemanifests", True),
    "SubjectAccessReview": ("authorization.k8s.io/v1", "subjectaccessreviews", False),
}  # fmt: skip


def obj(kind: str, name: str, namespace: str = "", **more: Any) -> Obj:
    meta = {"name": name, **({"namespace": namespace} if namespace else {}), **more.pop("metadata", {})}
    return {"apiVersion": SERVED[kind][0], "kind": kind, "metadata": meta, **more}


class Played:
    """An API server with some objects. refuse: path -> the answer that it gives there instead."""

    host = "https://api.west:6443"

    def __init__(self, *objects: Obj, refuse: Mapping[str, Any] | None = None, without: tuple[str, ...] = ()) -> None:
        self.objects, self.refuse, self.without = objects, dict(refuse or {}), without
        self.seen: list[str] = []
        self.bodies: list[Obj] = []
        self.lock = threading.Lock()

    def request(self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str], timeout: float) -> HttpResponse:
        url = urlsplit(path)
        with self.lock:
            self.seen.append(f"{method} {url.path}")
            self.bodies += [json.loads(body)] if body else []
        status, data = self.answer(method, url.path, parse_qs(url.query))
        return HttpResponse(status, {}, json.dumps(data).encode())

    def answer(self, method: str, path: str, query: Mapping[str, Any]) -> tuple[int, Any]:
        if path in ("/api", "/apis"):
            return 200, self.discovery(core=path == "/api")
        if path == "/version":
            return 200, {"gitVersion": "v1.33.1"}
        if path in self.refuse:
            return self.refuse[path]
        if method == "POST":
            return 201, {"status": {"allowed": True, "reason": "because"}}
        rows = {self.path(one): one for one in self.objects}
        if path in rows:
            return 200, rows[path]
        plural = path.rpartition("/")[2]
        kind = next((kind for kind, row in SERVED.items() if row[1] == plural), "")
        if not kind:
            return 404, {"message": "not found"}
        return 200, {"items": [one for where, one in rows.items() if one["kind"] == kind and self.within(where, path)]}

    @staticmethod
    def within(where: str, listed: str) -> bool:
        return "/namespaces/" not in listed or where.startswith(f"{listed}/")

    @staticmethod
    def path(one: Obj) -> str:
        version, plural, _namespaced = SERVED[one["kind"]]
        space = one["metadata"].get("namespace")
        base = f"/{'apis' if '/' in version else 'api'}/{version}" + (f"/namespaces/{space}" if space else "")
        return f"{base}/{plural}/{one['metadata']['name']}"

    def discovery(self, *, core: bool) -> Obj:
        groups: dict[str, dict[str, list[Obj]]] = {}
        for kind, (api_version, plural, namespaced) in SERVED.items():
            group, _slash, version = api_version.rpartition("/")
            if bool(group) == core or kind in self.without:
                continue
            row = {"resource": plural, "responseKind": {"kind": kind}, "scope": "Namespaced" if namespaced else "Cluster"}
            row["verbs"] = ["get"] if kind in ("Unlisted", "SubjectAccessReview") else ["get", "list"]  # type: ignore[assignment]
            groups.setdefault(group, {}).setdefault(version, []).append(row)
        items = [
            {"metadata": {"name": group}, "versions": [{"version": version, "resources": rows} for version, rows in versions.items()]}
            for group, versions in groups.items()
        ]
        return {"kind": "APIGroupDiscoveryList", "items": items}

    def cluster(self) -> Cluster:
        return Cluster(self, name="west", clock=lambda: 0.0, sleep=lambda _seconds: None, wall=lambda: NOON)

    def listed(self) -> set[str]:
        return {line.rpartition("/")[2] for line in self.seen if line.rpartition("/")[2] in {row[1] for row in SERVED.values()}}


def names(found: Any, kind: str) -> list[str]:
    return sorted(one["metadata"]["name"] for one in found.objects if one["kind"] == kind)


def test_each_kind_is_listed_once_in_a_version_that_is_served() -> None:
    west = Played(obj("Gateway", "front", "shop"), obj("RequestAuthentication", "jwt", "shop"), obj("Stranger", "x", "shop"))
    found = collect(west.cluster())
    assert names(found, "Gateway") == ["front"] and names(found, "RequestAuthentication") == ["jwt"] and not names(found, "Stranger")
    assert found.objects[0]["apiVersion"] in {"networking.istio.io/v1beta1", "security.istio.io/v1"}
    assert west.listed() == {"namespaces", "pods", "gateways", "requestauthentications", "istios", "subscriptions"}
    assert len([line for line in west.seen if line.endswith("/pods")]) == 1
    served = (
        "v1/Namespace",
        "v1/Pod",
        "networking.istio.io/v1/Gateway",
        "sailoperator.io/v1/Istio",
        f"{SERVED['Subscription'][0]}/Subscription",
    )
    assert found.missing_kinds == {f"{version}/{kind}" for version, kind in KINDS}.difference(served)
    assert (found.cluster, found.source, found.server_version, found.taken_at) == ("west", "cluster", "v1.33.1", NOON)


def test_only_the_kinds_that_are_asked_for_are_read() -> None:
    west = Played(obj("Pod", "a", "shop"), obj("Gateway", "front", "shop"))
    found = collect(west.cluster(), kinds={("", "Pod"), ("apps", "Deployment")})
    assert names(found, "Pod") == ["a"] and west.listed() == {"pods"}
    assert found.missing_kinds == {"apps/v1/Deployment"}


def test_named_namespaces_limit_what_has_one() -> None:
    west = Played(obj("Pod", "a", "shop"), obj("Pod", "b", "bank"), obj("Pod", "c", "other"), obj("Namespace", "other"))
    found = collect(west.cluster(), namespaces=["shop", "bank"])
    assert names(found, "Pod") == ["a", "b"] and names(found, "Namespace") == ["other"]


def test_what_may_not_be_listed_is_said_and_stops_nothing() -> None:
    refused = {"/apis/networking.istio.io/v1beta1/gateways": FORBIDDEN, "/apis/sailoperator.io/v1/istios": (404, {"message": "gone"})}
    found = collect(Played(obj("Pod", "a", "shop"), refuse=refused).cluster())
    assert names(found, "Pod") == ["a"]
    assert "forbidden: User cannot do that" in found.forbidden["networking.istio.io/v1beta1/Gateway"]
    assert "sailoperator.io/v1/Istio" in found.missing_kinds, "its CRD went between discovery and list"


def test_a_server_that_breaks_off_is_an_error_and_no_empty_answer() -> None:
    cluster = Played(refuse={"/api/v1/pods": (500, {"message": "boom"})}).cluster()
    with pytest.raises(Exception, match=r"GET /api/v1/pods gave 500: boom"):
        collect(cluster)


def gateway(secret: str) -> list[Obj]:
    tls = {"servers": [{"port": {"number": 443}, "tls": {"mode": "SIMPLE", "credentialName": secret}}], "selector": {"istio": "in"}}
    return [obj("Gateway", f"for-{secret}", "shop", spec=tls), obj("Pod", "in", "shop", metadata={"labels": {"istio": "in"}})]


def test_secrets_are_read_by_their_names_and_never_listed() -> None:
    used, unused = (obj("Secret", name, "shop", data={"tls.key": "c2VjcmV0"}) for name in ("used", "unused"))
    west = Played(*gateway("used"), used, unused)
    found = collect(west.cluster())
    assert names(found, "Secret") == ["used"] and "secrets" not in west.listed()
    assert "c2VjcmV0" not in json.dumps(found.objects)
    assert not [line for line in west.seen if "/unused" in line]
    assert names(collect(west.cluster(), namespaces=["bank"]), "Secret") == []
    assert names(collect(west.cluster(), kinds={("networking.istio.io", "Gateway"), ("", "Pod")}), "Secret") == []


@pytest.mark.parametrize(
    ("refuse", "text"),
    [
        ({"/api/v1/namespaces/shop/secrets/a": FORBIDDEN}, "forbidden: User cannot do that"),
        ({f"/api/v1/namespaces/shop/secrets/{name}": FORBIDDEN for name in "ab"}, " (and 1 more)"),
        ({"/api/v1/pods": FORBIDDEN}, "which of them the mesh uses is not known: cluster west"),
        ({"/apis/sailoperator.io/v1/istios": FORBIDDEN}, "which of them the mesh uses is not known: cluster west"),
        ({"/apis/security.istio.io/v1/requestauthentications": FORBIDDEN}, None),
        ({}, None),
    ],
)
def test_secrets_that_nobody_could_look_for_are_not_told_as_absent(refuse: Mapping[str, Any], text: str | None) -> None:
    found = collect(Played(*gateway("a"), *gateway("b"), refuse=refuse).cluster())
    said = found.forbidden.get("v1/Secret")
    assert said is None if text is None else text in str(said)
    assert names(found, "Secret") == []


def subscription(package: str, catalogue: str = "olm") -> Obj:
    return obj("Subscription", f"my-{package}", "operators", spec={"name": package, "sourceNamespace": catalogue})


def test_channels_are_read_of_the_operators_that_are_subscribed_to() -> None:
    manifests = [
        obj("PackageManifest", name, "olm", status={"packageName": name}) for name in ("servicemeshoperator3", "kiali", "postgres")
    ]
    west = Played(subscription("servicemeshoperator3"), subscription("postgres"), subscription("kiali", "elsewhere"), *manifests)
    found = collect(west.cluster())
    assert names(found, "PackageManifest") == ["servicemeshoperator3"], "of no operator of others, and of each in its own catalogue"
    assert "packagemanifests" not in west.listed(), "the list of all packages is many megabytes"
    away = {"/apis/packages.operators.coreos.com/v1/namespaces/olm/packagemanifests/servicemeshoperator3": FORBIDDEN}
    assert names(collect(Played(*west.objects, refuse=away).cluster()), "PackageManifest") == []
    without = Played(*west.objects, without=("PackageManifest",))
    assert names(collect(without.cluster()), "PackageManifest") == [] and not [line for line in without.seen if "packagem" in line]


def test_a_review_asks_what_was_meant() -> None:
    west = Played()
    question = {"user": "ann", "groups": ["dev"], "verb": "create", "resource": "pods/exec", "namespace": "shop", "group": ""}
    answer = review(west.cluster(), question)
    assert west.bodies == [{"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
        "user": "ann", "groups": ["dev"],
        "resourceAttributes": {"verb": "create", "resource": "pods", "subresource": "exec", "namespace": "shop"}}}]  # fmt: skip
    assert answer == {**question, "allowed": True, "reason": "because"}


def test_reviews_that_may_not_be_asked_for_have_a_reason() -> None:
    questions = [{"user": name, "verb": "get", "resource": "pods"} for name in ("ann", "bob")]
    found = collect(Played().cluster(), reviews=questions)
    assert [(row["user"], row["allowed"]) for row in found.reviews] == [("ann", True), ("bob", True)]
    refused = Played(refuse={"/apis/authorization.k8s.io/v1/subjectaccessreviews": FORBIDDEN})
    found = collect(refused.cluster(), reviews=questions)
    assert found.reviews == () and "forbidden" in found.forbidden["authorization.k8s.io/v1/SubjectAccessReview"]


# Discovery and concurrency of the client


def test_a_kind_that_is_new_is_found_a_moment_later() -> None:
    west, now = Played(without=("Istio",)), [0.0]
    cluster = Cluster(west, name="west", clock=lambda: now[0], sleep=lambda _seconds: None)
    assert ("sailoperator.io/v1", "Istio") not in cluster.resources()
    west.without = ()
    with pytest.raises(Exception, match="no kind Istio"):
        cluster.get("sailoperator.io/v1", "Istio", "a")
    assert len(west.seen) == 2, "what was discovered just now is not asked again"
    now[0] = 2.0
    assert cluster.get("sailoperator.io/v1", "Istio", "a") is None
    west.without = ("Istio",)
    cluster.forget_resources()
    assert ("sailoperator.io/v1", "Istio") not in cluster.resources()


class Old(Played):
    """A server before 1.27: each group and version is asked by itself."""

    def answer(self, method: str, path: str, query: Mapping[str, Any]) -> tuple[int, Any]:
        rows = {kind: row for kind, row in SERVED.items() if kind not in self.without}
        versions = dict.fromkeys(version for version, _plural, _namespaced in rows.values())
        if path == "/api":
            return 200, {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            return 200, {"kind": "APIGroupList", "groups": [{"versions": [{"groupVersion": one}]} for one in versions if "/" in one]}
        for version in versions:
            if path == f"/{'apis' if '/' in version else 'api'}/{version}":
                found = [{"name": plural, "kind": kind, "namespaced": namespaced, "verbs": ["get", "list"]}
                         for kind, (where, plural, namespaced) in rows.items() if where == version]  # fmt: skip
                return 200, {"resources": [*found, *({**row, "name": f"{row['name']}/status", "kind": "Status"} for row in found)]}
        return super().answer(method, path, query)


def test_an_old_server_has_the_same_kinds() -> None:
    old, new = ({key: (row.plural, row.namespaced) for key, row in west.cluster().resources().items()} for west in (Old(), Played()))
    assert old == new and len(old) == len(SERVED)


class Half(Played):
    """One whose aggregated API does not answer."""

    def discovery(self, *, core: bool) -> Obj:
        found = super().discovery(core=core)
        for group in found["items"]:
            group["versions"][0]["freshness"] = "Stale" if group["metadata"]["name"].startswith("packages.") else "Current"
        return found


def test_groups_that_nobody_answers_for_are_known() -> None:
    assert Half().cluster().stale_groups() == {"packages.operators.coreos.com/v1"}
    assert Played().cluster().stale_groups() == set()


@pytest.mark.parametrize("items", [[], [3], [3, 1, 2], list(range(40))])
def test_results_are_in_the_order_of_the_items(items: list[int]) -> None:
    assert Played().cluster().map(lambda number: number * 2, items) == [number * 2 for number in items]


def test_the_first_error_is_raised_and_what_has_not_begun_is_left() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 0:
            raise Unreachable("gone")
        threading.Event().wait(0.02)
        return number

    with pytest.raises(Unreachable):
        Played().cluster().map(work, range(500), workers=2)
    assert len(begun) < 250


# Related objects of one look


def counting(west: Played) -> tuple[ClusterLookup, Callable[[], int]]:
    lookup = ClusterLookup(west.cluster())
    lookup.of("Namespace")
    before = len(west.seen)
    return lookup, lambda: len(west.seen) - before


def test_each_question_is_asked_once_per_look() -> None:
    lookup, asked = counting(Played(obj("Pod", "a", "shop"), obj("Pod", "b", "bank")))
    for _number in range(3):
        assert (lookup.get("Pod", "a", "shop") or {})["metadata"]["name"] == "a"
        assert lookup.get("Pod", "none", "shop") is None
        assert [one["metadata"]["name"] for one in lookup.of("Pod", namespace="bank")] == ["b"]
        assert len(lookup.of("Pod")) == 2
    assert asked() == 4


def test_a_kind_that_is_not_served_has_no_objects() -> None:
    lookup, asked = counting(Played(obj("Gateway", "front", "shop")))
    assert lookup.get("Deployment", "a", "shop") is None and lookup.of("Deployment") == [] and asked() == 0
    assert lookup.get("Gateway", "front", "shop", group="networking.istio.io") is not None
    assert lookup.get("Gateway", "front", "shop", group="gateway.networking.k8s.io") is None
    assert lookup.of("Gateway", group="gateway.networking.k8s.io") == []


def test_a_kind_that_went_meanwhile_has_no_objects() -> None:
    lookup, _asked = counting(Played(refuse={"/apis/sailoperator.io/v1/istios": (404, {"message": "gone"})}))
    assert lookup.of("Istio") == [] and lookup.of("Istio") == []
