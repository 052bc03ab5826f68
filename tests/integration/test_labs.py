# SPDX-License-Identifier: GPL-3.0-or-later
"""Guestbook, coolapp and bookinfo from nothing to their last step, on both generations; calls on real pods are in test_labs_live.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from labs_support import OPERATORS, Lab
from testbed import Bed
from travel_support import said

Playbook = Callable[..., Any]
FIREFOX = {"user-agent": {"regex": ".*Firefox.*"}}
# Step to what a caller has to be like, and the share of each version.
GUESTBOOK: dict[str, list[tuple[dict[str, Any], dict[str, int]]]] = {
    "all_v1": [({}, {"v1": 100})],
    "browsers": [(FIREFOX, {"v2": 100}), ({}, {"v1": 100})],
    "canary": [({}, {"v1": 80, "v2": 20})],
    "all_v2": [({}, {"v2": 100})],
    "circuit_breaker": [({}, {"v2": 100})],
}
COOLAPP = {
    "all_v2": [({}, {"version-v2": 100})],
    "all_v1": [({}, {"version-v1": 100})],
    "split": [({}, {"version-v1": 70, "version-v2": 30})],
}
BOTH = ["ossm3", pytest.param("ossm2", marks=pytest.mark.long)]
LONG = [pytest.param(provider, marks=pytest.mark.long) for provider in ("ossm3", "ossm2")]


def lab(name: str) -> Callable[..., Iterator[Lab]]:
    """A bed for each generation, which the tests of one lab share."""

    def made(request: pytest.FixtureRequest, beds: Callable[..., Bed], playbook: Playbook) -> Iterator[Lab]:
        bed = beds(*OPERATORS, tag=f"{name}-{request.param}")
        yield Lab(name, request.param, bed, bed.user_kubeconfig("lab-admin", ["system:masters"]), playbook)

    return made


guestbook = pytest.fixture(scope="module", params=BOTH)(lab("guestbook"))
coolapp = pytest.fixture(scope="module", params=LONG)(lab("coolapp"))
bookinfo = pytest.fixture(scope="module", params=LONG)(lab("bookinfo"))


def installed(one: Lab, **variables: Any) -> None:
    """From nothing to a mesh whose checks all pass; then nothing changes any more, and a plan says so."""
    run = one.play(one.name, **variables).check()
    assert re.search(r"^\d+ passed, 0 warnings, 0 failed", run.stdout, re.MULTILINE), run.stdout[-3000:]
    again = one.play(one.name, **variables).check()
    assert again.changed == 0, again.stdout[-4000:]


def files(one: Lab, folder: Path, **variables: Any) -> list[dict[str, Any]]:
    """The objects of the GitOps tree, for which no cluster is needed."""
    nowhere = {"K8S_AUTH_KUBECONFIG": str(folder / "none"), "KUBECONFIG": str(folder / "none")}
    one.play(one.name, env=nowhere, mesh_target="files", mesh_output=str(folder / "tree"), **variables).check()
    texts = [path.read_text(encoding="utf-8") for path in sorted((folder / "tree").rglob("*.yaml")) if path.name != "kustomization.yaml"]
    return [obj for text in texts for obj in yaml.safe_load_all(text) if obj]


def ends(one: Lab, **variables: Any) -> None:
    """Nothing of the lab is left but its operators."""
    one.play("remove_mesh", mesh_hosts=one.name, mesh_remove_namespaces=True, mesh_remove_volumes=True, **variables).check()
    left = one.bed.kubectl(
        "get", "namespaces", "-l", "app.kubernetes.io/managed-by=meshops.mesh,mesh.meshops.io/layer!=operators", "-o", "name"
    )
    assert left.stdout == ""


@pytest.mark.xdist_group("labs-guestbook")
class TestGuestbook:
    @pytest.mark.long
    def test_from_nothing(self, guestbook: Lab) -> None:
        installed(guestbook)
        pods = guestbook.ready("guestbook")
        counts = {
            name: sum(pod.startswith(f"{name}-") for pod in pods)
            for name in ("guestbook-v1", "guestbook-v2", "redis-master", "redis-slave")
        }
        assert counts == {"guestbook-v1": 3, "guestbook-v2": 3, "redis-master": 1, "redis-slave": 2} and set(pods.values()) == {"2/2"}
        hosts = [
            row["spec"]["host"]
            for row in guestbook.get("routes.route.openshift.io", "-n", "istio-system")["items"]
            if "host" in row["spec"]
        ]
        assert "guestbook.apps.lab.example.com" in hosts
        if guestbook.provider == "ossm2":
            roll = guestbook.get("servicemeshmemberroll", "default", "-n", "istio-system")
            assert roll["spec"]["members"] == ["guestbook"]
            made = {row["metadata"]["name"] for row in guestbook.get("subscriptions.operators.coreos.com", "-A")["items"]}
            assert made == {"jaeger-product", "kiali-ossm", "servicemeshoperator"}

    @pytest.mark.long
    def test_each_step_is_what_it_says(self, guestbook: Lab) -> None:
        steps = GUESTBOOK if guestbook.provider == "ossm3" else {name: GUESTBOOK[name] for name in ("browsers", "circuit_breaker")}
        for step, expected in steps.items():
            run = guestbook.play("guestbook_traffic", guestbook_step=step).check()
            assert guestbook.shares("guestbook") == expected, step
            assert run.changed or step == "all_v2"
        again = guestbook.play("guestbook_traffic", guestbook_step="circuit_breaker").check()
        assert again.changed == 0
        policy = guestbook.items("destinationrules.networking.istio.io", "guestbook")["guestbook"]["spec"]["trafficPolicy"]
        assert policy["outlierDetection"]["consecutive5xxErrors"] == 3

    @pytest.mark.long
    def test_a_plan_tells_what_becomes_of_callers_and_does_nothing(self, guestbook: Lab) -> None:
        run = guestbook.play("guestbook_traffic", mesh_target="plan", guestbook_step="canary").check()
        assert "requests to guestbook/guestbook: v2 100 % -> v1 80 %, v2 20 %" in said(run)
        assert guestbook.shares("guestbook") == GUESTBOOK["circuit_breaker"]

    @pytest.mark.long
    def test_strict_waits_for_every_proxy(self, guestbook: Lab) -> None:
        """A pod without the proxy that it should have would be cut off: it is named before anything changes."""
        if guestbook.provider == "ossm2":
            pytest.skip("there each pod asks by itself, so one without a proxy has not asked")
        label = guestbook.bed.kubectl
        label("label", "namespace", "guestbook", "istio.io/rev-")
        try:
            label("create", "deployment", "late", "-n", "guestbook", "--image=registry.example.com/late:1")
            done = label("wait", "deployment/late", "-n", "guestbook", "--for=condition=Available", "--timeout=60s")
            assert done.returncode == 0, done.stderr
            label("label", "namespace", "guestbook", "istio.io/rev=basic")
            run = guestbook.play("guestbook_strict", guestbook_step="circuit_breaker")
            assert run.rc != 0 and re.search(r"Pod guestbook/late-\S+: it has no container istio-proxy", said(run)), said(run)[-2000:]
            assert self.mode(guestbook) == "PERMISSIVE"
        finally:
            label("label", "namespace", "guestbook", "istio.io/rev=basic", "--overwrite")
            label("delete", "deployment", "late", "-n", "guestbook", "--cascade=foreground")

    @pytest.mark.long
    def test_strict_for_the_whole_mesh(self, guestbook: Lab) -> None:
        guestbook.play("guestbook_strict", guestbook_step="circuit_breaker").check()
        assert self.mode(guestbook) == "STRICT"
        assert guestbook.shares("guestbook") == GUESTBOOK["circuit_breaker"]

    @staticmethod
    def mode(guestbook: Lab) -> str:
        """Of the whole mesh."""
        policy = guestbook.items("peerauthentications.security.istio.io", "istio-system").get("default", {})
        return str(policy.get("spec", {}).get("mtls", {}).get("mode"))

    @pytest.mark.long
    def test_files_and_the_end(self, guestbook: Lab, tmp_path: Path) -> None:
        kinds = {obj["kind"] for obj in files(guestbook, tmp_path, guestbook_step="canary")}
        assert {"Deployment", "Service", "Gateway", "VirtualService", "DestinationRule", "Subscription"} <= kinds
        ends(guestbook, guestbook_strict=True)


@pytest.mark.xdist_group("labs-coolapp")
class TestCoolapp:
    def test_from_nothing_with_the_rights_of_its_people(self, coolapp: Lab) -> None:
        installed(coolapp)
        assert set(coolapp.ready("coolapp").values()) == {"2/2"} and len(coolapp.ready("coolapp")) == 3
        can = {
            (user, verb, what, space): coolapp.bed.kubectl("auth", "can-i", verb, what, "-n", space, f"--as={user}").stdout.strip()
            for user, verb, what, space in (
                ("user1", "patch", "deployments", "istio-system"),
                ("user2", "patch", "virtualservices.networking.istio.io", "coolapp"),
                ("user2", "patch", "deployments", "istio-system"),
                ("user3", "patch", "virtualservices.networking.istio.io", "coolapp"),
            )
        }
        assert list(can.values()) == ["yes", "yes", "no", "no"], can

    def test_the_second_version_is_there_and_gets_its_share(self, coolapp: Lab) -> None:
        coolapp.play("coolapp_second_version").check()
        assert {name.rsplit("-", 2)[0] for name in coolapp.ready("coolapp")} == {"catalog-v1", "catalog-v2", "partner-v1", "gateway"}
        assert coolapp.shares("catalog") == []  # each pod alike, as long as nobody says more

    def test_a_route_to_a_subset_that_is_not_there_is_never_applied(self, coolapp: Lab) -> None:
        mark = coolapp.bed.mark()
        run = coolapp.play("coolapp_traffic", coolapp_second_version=True, coolapp_step="missing")
        assert run.rc != 0
        assert "mesh_traffic[1].routes[0].to: 'version-v2' is none of its versions" in said(run), said(run)[-1500:]
        writes = [
            event for event in coolapp.bed.audit(mark) if event["user"]["username"] == "lab-admin" and event["verb"] in ("patch", "create")
        ]
        assert [event["requestURI"] for event in writes if "networking.istio.io" in event["requestURI"]] == []

    def test_the_same_by_somebody_else_is_told_with_the_503_that_it_gives(self, coolapp: Lab) -> None:
        theirs = {
            "apiVersion": "networking.istio.io/v1beta1",
            "kind": "VirtualService",
            "metadata": {"name": "catalog-by-hand", "namespace": "coolapp"},
            "spec": {"hosts": ["catalog"], "http": [{"route": [{"destination": {"host": "catalog", "subset": "version-v2"}}]}]},
        }
        made = coolapp.bed.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(theirs))
        assert made.returncode == 0, made.stderr
        try:
            run = coolapp.play("check_mesh", mesh_hosts="coolapp", coolapp_second_version=True)
            assert run.rc != 0
            told = said(run)
            assert "VirtualService coolapp/catalog-by-hand" in told and "version-v2" in told and "503" in told, told[-3000:]
        finally:
            coolapp.bed.kubectl("delete", "virtualservices.networking.istio.io", "catalog-by-hand", "-n", "coolapp")

    def test_each_step_is_what_it_says(self, coolapp: Lab) -> None:
        for step, expected in COOLAPP.items():
            coolapp.play("coolapp_traffic", coolapp_second_version=True, coolapp_step=step).check()
            assert coolapp.shares("catalog") == expected, step

    def test_files_and_the_end(self, coolapp: Lab, tmp_path: Path) -> None:
        tree = files(coolapp, tmp_path, coolapp_second_version=True, coolapp_step="split")
        routes = {obj["metadata"]["name"]: obj["spec"]["http"] for obj in tree if obj["kind"] == "VirtualService"}
        assert [row["weight"] for row in routes["catalog"][0]["route"]] == [70, 30]
        ends(coolapp)


@pytest.mark.xdist_group("labs-bookinfo")
class TestBookinfo:
    def test_from_nothing(self, bookinfo: Lab) -> None:
        installed(bookinfo)
        pods = bookinfo.ready("bookinfo")
        applications = {name: state for name, state in pods.items() if not name.startswith("bookinfo-gateway")}
        assert len(applications) == 6 and set(applications.values()) == {"2/2"}
        assert [state for name, state in pods.items() if name.startswith("bookinfo-gateway")] == ["1/1", "1/1"]
        scaler = bookinfo.items("horizontalpodautoscalers", "bookinfo")["bookinfo-gateway"]["spec"]
        assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 5)
        assert bookinfo.items("poddisruptionbudgets", "bookinfo")["bookinfo-gateway"]["spec"]["minAvailable"] == 1
        assert (
            bookinfo.items("routes.route.openshift.io", "bookinfo")["bookinfo-gateway"]["spec"]["host"] == "bookinfo.apps.lab.example.com"
        )
        if bookinfo.provider == "ossm3":
            labels = bookinfo.get("namespace", "bookinfo")["metadata"]["labels"]
            assert (labels["istio-discovery"], labels["istio-injection"]) == ("bookinfo", "enabled")
            selectors = bookinfo.get("istio", "default")["spec"]["values"]["meshConfig"]["discoverySelectors"]
            assert selectors == [{"matchLabels": {"istio-discovery": value}} for value in ("bookinfo", "enabled")]
        istiod = "istiod" if bookinfo.provider == "ossm3" else "istiod-default"
        assert bookinfo.get("deployment", istiod, "-n", "istio-system")["status"]["readyReplicas"] == 2

    def test_what_openshift_service_mesh_2_has_not_is_refused_by_name(self, bookinfo: Lab) -> None:
        if bookinfo.provider != "ossm2":
            pytest.skip("the other generation has all of it")
        mark = bookinfo.bed.mark()
        run = bookinfo.play("bookinfo", bookinfo_gateway="api", bookinfo_revisions=True)
        assert run.rc != 0
        for words in (
            "mesh_gateways[0].api: OpenShift Service Mesh 2 has no gateways of the Gateway API here; make it one of mesh_project_gateways",
            "mesh_control_plane.revision_tag is not available in ossm2",
            "mesh_control_plane.update_strategy with the value RevisionBased is not available in ossm2",
        ):
            assert words in said(run), said(run)[-3000:]
        assert [event["verb"] for event in bookinfo.bed.audit(mark) if event["user"]["username"] == "lab-admin"] == []

    def test_the_gateway_by_the_gateway_api_in_place_of_the_injected_one(self, bookinfo: Lab, tmp_path: Path) -> None:
        if bookinfo.provider == "ossm2":
            pytest.skip("OpenShift Service Mesh 2 has the injected one only")
        plan = bookinfo.play("bookinfo", mesh_target="plan", bookinfo_gateway="api").check()
        assert "would create Gateway bookinfo/bookinfo-gateway" in said(plan)
        installed(bookinfo, bookinfo_gateway="api", bookinfo_ha="replicas", mesh_prune=True)
        assert sorted(bookinfo.items("deployments", "bookinfo"))[0] == "bookinfo-gateway-istio"
        assert "bookinfo-gateway" not in bookinfo.items("deployments", "bookinfo")  # the injected one
        pods = [state for name, state in bookinfo.ready("bookinfo").items() if name.startswith("bookinfo-gateway-istio-")]
        assert pods == ["1/1", "1/1"]
        scaler = bookinfo.items("horizontalpodautoscalers", "bookinfo")["bookinfo-gateway-istio"]["spec"]
        assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 5)
        gateway = bookinfo.items("gateways.gateway.networking.k8s.io", "bookinfo")["bookinfo-gateway"]["status"]
        assert {row["type"]: row["status"] for row in gateway["conditions"]}["Programmed"] == "True"
        assert gateway["listeners"][0]["attachedRoutes"] == 1  # productpage-gateways
        route = bookinfo.items("routes.route.openshift.io", "bookinfo")["bookinfo-gateway"]["spec"]
        assert (route["host"], route["to"]["name"]) == ("bookinfo.apps.lab.example.com", "bookinfo-gateway-istio")
        kinds = {obj["kind"] for obj in files(bookinfo, tmp_path, bookinfo_gateway="api")}
        assert {"Gateway", "HTTPRoute", "HorizontalPodAutoscaler", "PodDisruptionBudget"} <= kinds
        installed(bookinfo, mesh_prune=True)  # and back, two istiods by load again
        assert "bookinfo-gateway-istio" not in bookinfo.items("deployments", "bookinfo")

    def test_reviews_by_user(self, bookinfo: Lab) -> None:
        run = bookinfo.play("bookinfo_traffic", bookinfo_step="users").check()
        assert "requests to bookinfo/reviews: all its pods alike -> v3 100 %" in said(run)
        assert [share for _match, share in bookinfo.shares("reviews")] == [{"v2": 100}, {"v3": 100}]
        paths = bookinfo.items("virtualservices.networking.istio.io", "bookinfo")["productpage-gateways"]["spec"]["http"][0]["match"]
        assert {"uri": {"exact": "/productpage"}} in paths

    def test_two_istiods_always_in_place_of_by_load(self, bookinfo: Lab) -> None:
        run = bookinfo.play("bookinfo", bookinfo_step="users", bookinfo_ha="replicas").check()
        assert run.changed > 0
        if bookinfo.provider == "ossm3":
            pilot = bookinfo.get("istio", "default")["spec"]["values"]["pilot"]
            assert (pilot["autoscaleEnabled"], pilot["replicaCount"]) == (False, 2) and "autoscaleMax" not in pilot
        assert bookinfo.play("bookinfo", bookinfo_step="users", bookinfo_ha="replicas").check().changed == 0

    def test_a_workload_stays_outside(self, bookinfo: Lab) -> None:
        bookinfo.play("bookinfo", "--tags", "workloads", bookinfo_outside=["ratings"]).check()
        states = {name.split("-")[0]: state for name, state in bookinfo.ready("bookinfo").items() if "gateway" not in name}
        assert states == {"ratings": "1/1", "details": "2/2", "productpage": "2/2", "reviews": "2/2"}

    def test_the_other_forms_of_injection(self, bookinfo: Lab, tmp_path: Path) -> None:
        """Revisions behind a tag called default, pods that ask by themselves; from nothing, as an upgrade is another story."""
        if bookinfo.provider == "ossm2":
            pytest.skip("in OpenShift Service Mesh 2 each pod always asks by itself, and there are no revisions")
        ends(bookinfo)
        forms = {"bookinfo_revisions": True, "bookinfo_injection": "pods", "bookinfo_outside": ["ratings"]}
        installed(bookinfo, **forms)
        tag = bookinfo.get("istiorevisiontag", "default")
        assert tag["status"]["istioRevision"].startswith("default-v") and tag["spec"]["targetRef"] == {"kind": "Istio", "name": "default"}
        labels = bookinfo.get("namespace", "bookinfo")["metadata"]["labels"]
        assert "istio-injection" not in labels and "istio.io/rev" not in labels
        states = {name.split("-")[0]: state for name, state in bookinfo.ready("bookinfo").items() if "gateway" not in name}
        assert states == {"ratings": "1/1", "details": "2/2", "productpage": "2/2", "reviews": "2/2"}
        # istio-injection=enabled means the tag: somebody's namespace gets its proxies without knowing the revision
        guest = {"metadata": {"name": "guest", "labels": {"istio-injection": "enabled", "istio-discovery": "enabled"}}}
        bookinfo.bed.api.ensure("/api/v1/namespaces", guest)
        bookinfo.bed.kubectl("create", "deployment", "web", "-n", "guest", "--image=registry.example.com/web:1")
        done = bookinfo.bed.kubectl("wait", "deployment/web", "-n", "guest", "--for=condition=Available", "--timeout=60s")
        assert done.returncode == 0, done.stderr
        assert set(bookinfo.ready("guest").values()) == {"2/2"}
        bookinfo.bed.kubectl("delete", "namespace", "guest")
        assert {obj["kind"] for obj in files(bookinfo, tmp_path, **forms)} >= {"IstioRevisionTag", "HorizontalPodAutoscaler", "Istio"}
        ends(bookinfo, **forms)
