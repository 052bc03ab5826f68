# SPDX-License-Identifier: GPL-3.0-or-later
"""Installations, checks and removals as an account that has the rendered roles and nothing else; the audit log says what it needed."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import collection_support  # noqa: F401  # isort: skip  the next imports need it
import pytest
import yaml
from conftest import ROOT
from rights_support import Use, apply, forbidden, grant, granted, served, taken, unused, used
from testbed import Bed
from travel_support import INVENTORY, OPERATORS, USER, VARS, Playbook, Travel, role_play, said

sys.path.insert(0, str(ROOT / "tests" / "unit"))
from certificates.live import CORPORATE, MIDDLE, SELF_SIGNED  # made at the real time
from certificates.material import make

# One worker, in the order of this file: each test goes on where the one before it ended.
pytestmark = [pytest.mark.xdist_group("rights"), pytest.mark.story]

HOME, MEMBERS = "prod-istio-system", ("prod-travel-agency", "prod-travel-portal", "prod-travel-control")
CHECKER, REMOVER, ISSUER = "rights-checker", "rights-remover", "rights-issuer"
PKI, PARTNERS = "rights-pki", "rights-partners"
# All that an intent can have: exemptions from mutual TLS, plans that we approve.
MORE: dict[str, Any] = {
    "mesh_hosts": "travel_prod",
    "mesh_operators_approval": "Manual",
    "mesh_mtls": [{"namespace": MEMBERS[0], "application": "cars", "mode": "DISABLE"}],
}
# A corporate CA that is taken from a Secret, and what gateways and partners get of it.
LIFE = {"begins": CORPORATE.cert.not_valid_before_utc, "ends": CORPORATE.cert.not_valid_after_utc}


def leaf(name: str, host: str) -> dict[str, Any]:
    made = make(name, CORPORATE, names=(host,), **LIFE)
    return {"name": name, "certificate": made.pem, "roots": CORPORATE.pem, "key": made.key_pem()}


CERTIFICATES: dict[str, Any] = {
    "mesh_certificates_provider": "pem",
    "mesh_certificates_authority": {"from_secret": f"{PKI}/corporate"},
    "mesh_certificates_gateways": [{**leaf("web-tls", "web.example.com"), "hosts": ["web.example.com"]}],
    "mesh_certificates_clients": [{**leaf("partner", "partner"), "namespace": PARTNERS}],
    "mesh_certificates_trust": [{"name": "corporate-root", "namespace": PARTNERS}],
}
NOT_GONE = [{"name": "mus", "kind": "User", "role": "mesh_application_viewer", "namespaces": [MEMBERS[0]]}]


def policy(name: str, group: str, resource: str, *says: str) -> list[dict[str, Any]]:
    """An admission rule that asks whether the writer has a right, as OpenShift and the operator of OSSM 2 do."""
    api = "admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [group], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": [resource]}
    spec = {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": one} for one in says]}
    binding = {"policyName": name, "validationActions": ["Deny"]}
    return [
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec},
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": binding},
    ]


def each_member() -> list[str]:
    """An expression for each place in the roll: three questions to the authorizer cost more than one expression may."""
    members = "object.spec.members"
    return [
        f"!has({members}) || size({members}) <= {MOST}",
        *(
            f"!has({members}) || size({members}) <= {place} || "
            f"authorizer.group('').resource('pods').namespace({members}[{place}]).check('update').allowed()"
            for place in range(MOST)
        ),
    ]


MOST = 8
ADMISSION = [
    *policy(
        "custom-host.example.com",
        "route.openshift.io",
        "routes",
        "!has(object.spec.host) || object.spec.host == '' || authorizer.group('route.openshift.io').resource('routes')"
        ".subresource('custom-host').namespace(object.metadata.namespace).check('create').allowed()",
    ),
    *policy("roll.example.com", "maistra.io", "servicemeshmemberrolls", *each_member()),
]


@dataclass(frozen=True)
class World:
    """The bed with what an administrator has prepared: namespaces, and the roles of two accounts."""

    travel: Travel
    checker: Path
    roles: dict[str, Path]

    def lacks(self, mark: int, family: str, user: str = USER) -> tuple[list[str], list[Use]]:
        """What was refused since the mark, and what of a family nothing has asked for."""
        events = list(self.travel.bed.audit(mark))
        return forbidden(events, user), unused(granted(self.roles[family]), used(events, user), served(self.travel.bed))


def secret(name: str, namespace: str, kind: str, **items: str) -> dict[str, Any]:
    data = {item.replace("_", "."): base64.b64encode(text.encode()).decode() for item, text in items.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "type": kind, "data": data}


def own_ca() -> dict[str, Any]:
    """The CA that an istiod made for itself, of a mesh that was there before."""
    found = secret("istio-ca-secret", HOME, "istio.io/ca-root")
    found["data"] = {
        name: base64.b64encode(text.encode()).decode()
        for name, text in (("ca-cert.pem", SELF_SIGNED.pem), ("ca-key.pem", SELF_SIGNED.key_pem()))
    }
    return found


def world(bed: Bed, playbook: Playbook, folder: Path, provider: str) -> World:
    variables = {**VARS, **MORE, **CERTIFICATES, "mesh_provider": provider}
    for name in (HOME, PKI, PARTNERS, *MEMBERS):
        bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": name}})
    corporate = secret("corporate", PKI, "kubernetes.io/tls", tls_crt=MIDDLE.pem, tls_key=MIDDLE.key_pem(), ca_crt=CORPORATE.pem)
    apply(bed, [corporate, own_ca()])
    done = bed.kubectl("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, ADMISSION)))
    assert done.returncode == 0, done.stderr
    roles = {family: folder / family for family in ("install", "check")}
    installer = grant(bed, playbook, USER, "install", roles["install"], inventory=INVENTORY, extra_vars=variables)
    checker = grant(bed, playbook, CHECKER, "check", roles["check"], inventory=INVENTORY, extra_vars=variables)
    return World(Travel(bed, installer, playbook, variables), checker, roles)


@pytest.fixture(scope="module", name="prod")
def _prod(beds: Callable[..., Bed], playbook: Playbook, tmp_path_factory: pytest.TempPathFactory) -> World:
    return world(beds(*OPERATORS, tag="rights"), playbook, tmp_path_factory.mktemp("roles"), "ossm3")


def missing(run: Any) -> list[str]:
    """The rights that a refusal names, with their places."""
    text = run.stdout.rpartition("msg:")[2].partition("PLAY RECAP")[0]
    return [line.strip().partition(": ")[0] for line in text.splitlines() if line.strip().startswith("- ")]


def test_all_that_is_missing_is_told_before_anything_is_written(prod: World) -> None:
    bed, mark, before = prod.travel.bed, prod.travel.bed.mark(), prod.travel.ours("mesh.meshops.io/layer!=rights")
    apply(
        bed,
        taken(
            prod.roles["install"],
            {
                Use("create", "namespaces"),
                Use("patch", "deployments.apps", MEMBERS[1]),
                Use("get", "secrets", HOME),
                Use("list", "subscriptions.operators.coreos.com"),
            },
        ),
    )
    run = prod.travel.play()
    apply(bed, [prod.roles["install"]])
    assert run.rc != 0 and run.changed == 0
    assert "lacks 7 of the rights that install needs; nothing was changed" in said(run), said(run)[-3000:]
    assert missing(run) == [
        "- create namespaces in the whole cluster",
        "- list subscriptions.operators.coreos.com in the whole cluster",
        f"- get secrets in {HOME}",  # the CA and the copies of those before it
        f"- get secrets (cacerts, istio-ca-secret) in {HOME}",
        f"- get secrets in {HOME}",  # certificates of gateways and clients
        f"- get secrets in {HOME}",  # what Gateways name
        f"- patch deployments.apps in {MEMBERS[1]}",
    ]
    assert "cluster-reader" not in said(run) and "render_rights with -e mesh_rights_families=install" in said(run)
    assert {use.resource for use in used(bed.audit(mark), USER)} == {"selfsubjectaccessreviews.authorization.k8s.io"}
    assert prod.travel.writes(mark) == [] and prod.travel.ours("mesh.meshops.io/layer!=rights") == before == {}


def born(bed: Bed) -> None:
    """The mesh has had its corporate CA from the first moment, and what was there before is kept."""
    spaces = bed.kubectl("get", "configmaps", "-A", "--field-selector=metadata.name=istio-ca-root-cert", "-o", "json")
    handed = {one["metadata"]["namespace"]: one["data"]["root-cert.pem"] for one in json.loads(spaces.stdout)["items"]}
    assert {handed[name].strip() for name in (HOME, *MEMBERS)} == {CORPORATE.pem.strip()}
    there = bed.kubectl("get", "secrets", "-n", HOME, "-o", "name").stdout.split()
    assert {"secret/cacerts", "secret/web-tls", "secret/istio-ca-secret-saved"} <= {*there} and "secret/istio-ca-secret" not in there
    assert bed.kubectl("get", "secret/partner", "configmap/corporate-root", "-n", PARTNERS).returncode == 0


def refused_another_root(travel: Travel, folder: Path, *providers: str) -> None:
    """Another provider has another root, which a mesh that runs does not get in one go."""
    mark, corporate = travel.bed.mark(), {**CERTIFICATES, "mesh_certificates_authority": {"key_type": "EC"}}
    for provider in providers:
        plain = {"mesh_certificates_gateways": [], "mesh_certificates_clients": [], "mesh_certificates_trust": []}
        more = {**corporate, **plain, "mesh_certificates_provider": provider, "mesh_certificates_store": str(folder / "pki")}
        run = travel.play(role_play(folder, "certificates"), extra_vars=more)
        assert run.rc != 0 and "nothing was changed" in said(run) and "with a proxy" in said(run), said(run)[-2000:]
    assert travel.writes(mark) == []


def played(mesh: World, folder: Path) -> None:
    """Installs, installs again, takes rights from people, and is refused for a package that no catalogue has."""
    travel, mark = mesh.travel, mesh.travel.bed.mark()
    assert travel.play().check().recap["prod"]["failed"] == 0
    born(travel.bed)
    again = travel.bed.mark()
    assert travel.play().check().changed == 0
    assert travel.writes(again) == []
    mine = {"app.kubernetes.io/managed-by": "meshops.mesh", "mesh.meshops.io/mesh": "travel-prod", "mesh.meshops.io/layer": "personas"}
    stale = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "rules": [],
        "metadata": {"name": "travel-prod-mesh-former", "labels": mine},
    }
    done = travel.bed.kubectl("apply", "--server-side", "--field-manager=meshops.mesh", "-f", "-", stdin=json.dumps(stale))
    assert done.returncode == 0, done.stderr
    travel.play(role_play(folder, "personas"), extra_vars={"mesh_personas": NOT_GONE, "personas_verify": False}).check()
    left = travel.bed.kubectl(
        "get",
        "clusterroles,clusterrolebindings,rolebindings",
        "-A",
        "-o",
        "name",
        "-l",
        ",".join(f"{key}={value}" for key, value in mine.items()),
    ).stdout.split()
    bound = {name.rpartition("/")[2] for name in left if "binding" in name}
    assert bound == {"travel-prod-mesh-application-viewer", "travel-prod-mesh-observer"}
    assert not any(name.endswith("mesh-former") for name in left)
    extra = [{"package": "nowhere", "source": "redhat-operators", "channel": "stable"}]
    refused = travel.play(role_play(folder, "operators"), extra_vars={"mesh_operators_extra": extra})
    assert refused.rc != 0 and "nowhere" in said(refused)
    assert mesh.lacks(mark, "install") == ([], [])


def test_an_installation_needs_these_rights_and_no_others(prod: World, tmp_path: Path) -> None:
    played(prod, tmp_path)


def test_certificates_are_issued_with_these_rights_and_no_others(prod: World, playbook: Playbook, tmp_path: Path) -> None:
    """One more for a gateway and a partner, and again; the CA of somebody else's istiod is taken away once more. Then another root."""
    travel = prod.travel
    more = {
        "mesh_certificates_gateways": [*CERTIFICATES["mesh_certificates_gateways"], {**leaf("shop-tls", "shop"), "hosts": ["shop"]}],
        "mesh_certificates_trust": [*CERTIFICATES["mesh_certificates_trust"], {"name": "more-roots", "namespace": PARTNERS}],
    }
    variables, roles = {**travel.vars, **more}, {**prod.roles, "certificates": tmp_path / "certificates"}
    given = {"bed": travel.bed, "inventory": INVENTORY}
    kubeconfig = grant(travel.bed, playbook, ISSUER, "certificates", roles["certificates"], inventory=INVENTORY,
                       extra_vars={**variables, "rights_works": ["issue"]})  # fmt: skip
    apply(travel.bed, [own_ca()])
    mark = travel.bed.mark()
    first = playbook("meshops.mesh.issue_certificates", **given, kubeconfig=kubeconfig, extra_vars=variables).check()
    assert "the CA of istiod: CN=Corporate Root,O=Travel" in said(first) and "first to expire: " in said(first)
    again = playbook("meshops.mesh.issue_certificates", **given, kubeconfig=kubeconfig, extra_vars=variables).check()
    assert first.changed > 0 and again.changed == 0
    assert World(travel, prod.checker, roles).lacks(mark, "certificates", ISSUER) == ([], [])
    for made in (MIDDLE, SELF_SIGNED):
        assert made.key_pem().splitlines()[1] not in said(first) + said(again)
    refused_another_root(travel, tmp_path, "own_ca", "cert_manager")
    # they are not in the intent of the tests that follow
    for name, space in (("secret/shop-tls", HOME), ("configmap/more-roots", PARTNERS)):
        assert travel.bed.kubectl("delete", name, "-n", space).returncode == 0


def test_a_check_needs_these_rights_and_no_others(prod: World) -> None:
    mark = prod.travel.bed.mark()
    run = prod.travel.run(
        "meshops.mesh.check_mesh",
        bed=prod.travel.bed,
        kubeconfig=prod.checker,
        inventory=INVENTORY,
        extra_vars={**prod.travel.vars, "mesh_hosts": "travel_prod", "mesh_check_fail_on": "never"},
    ).check()
    assert "√ the account has the rights to read the mesh" in run.stdout
    assert prod.lacks(mark, "check", CHECKER) == ([], [])


@pytest.fixture(name="quota")
def _quota(prod: World) -> Iterator[str]:
    """A quota that allows no Service more than there are."""
    bed, space = prod.travel.bed, MEMBERS[1]
    there = len(bed.kubectl("get", "services", "-n", space, "-o", "name").stdout.split())
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small", "namespace": space},
        "spec": {"hard": {"services": str(there)}},
    }
    assert bed.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(quota)).returncode == 0
    done = bed.kubectl("wait", "resourcequota/small", "-n", space, "--for=jsonpath={.status.used.services}", "--timeout=30s")
    assert done.returncode == 0, done.stderr
    yield space
    bed.kubectl("delete", "resourcequota/small", "deployment/extra-v1", "-n", space, "--ignore-not-found")


def test_a_quota_is_not_told_as_a_missing_right(prod: World, quota: str, tmp_path: Path) -> None:
    shop = {"namespace": quota, "applications": [{"name": "extra", "image": "registry.example.com/extra:1", "port": 8080}]}
    run = prod.travel.play(role_play(tmp_path, "workloads"), extra_vars={"mesh_workloads": [shop], "mesh_mtls": []})
    assert run.rc != 0
    text = said(run)
    assert f"Service {quota}/extra" in text and "a ResourceQuota of the namespace refuses it (no right is missing)" in text, text[-2000:]
    assert "exceeded quota: small" in text and "render_rights" not in text and "not allowed" not in text


def enrols(mesh: World) -> None:
    """Who names a namespace in the roll has to have a right there, and the roll has all members."""
    bed, roles, space = mesh.travel.bed, mesh.roles["install"], ("-n", HOME)
    assert set(bed.kubectl("get", "smmr", "default", *space, "-o", "jsonpath={.spec.members[*]}").stdout.split()) == {*MEMBERS}

    def touched() -> Any:
        return bed.kubectl(
            "patch",
            "smmr",
            "default",
            *space,
            "--type=merge",
            "--dry-run=server",
            "-p",
            json.dumps({"metadata": {"annotations": {"seen": "true"}}}),
            kubeconfig=mesh.travel.kubeconfig,
        )

    assert touched().returncode == 0, touched().stderr
    apply(bed, taken(roles, {Use("update", "pods", MEMBERS[1])}))
    refused = touched()
    apply(bed, [roles])
    assert refused.returncode != 0 and "roll.example.com" in refused.stderr and "cost" not in refused.stderr, refused.stderr


REMOVED = {"mesh_remove_force": True, "mesh_remove_namespaces": True, "mesh_remove_volumes": True, "mesh_remove_operators": True}
RULES = {
    "security.istio.io/v1beta1": ("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"),
    "networking.istio.io/v1beta1": ("DestinationRule", "Sidecar"),
}


def planted(bed: Bed) -> None:
    """Rules of access, as the role access leaves them, and workloads of others with our proxy, of every kind that makes pods."""
    mine = {"app.kubernetes.io/managed-by": "meshops.mesh", "mesh.meshops.io/mesh": "travel-prod", "mesh.meshops.io/layer": "access_given"}
    meta = {"name": "rights", "namespace": MEMBERS[0], "labels": mine}
    rules = [
        {"apiVersion": version, "kind": kind, "metadata": meta, "spec": {"host": "cars"} if kind == "DestinationRule" else {}}
        for version, kinds in RULES.items()
        for kind in kinds
    ]
    done = bed.kubectl("apply", "--server-side", "--field-manager=meshops.mesh", "-f", "-", stdin="\n---\n".join(map(json.dumps, rules)))
    assert done.returncode == 0, done.stderr
    place = {"namespace": MEMBERS[1], "labels": {"app": "theirs"}}
    pod = {
        "metadata": {"labels": {"app": "theirs"}, "annotations": {"sidecar.istio.io/inject": "true"}},
        "spec": {"containers": [{"name": "c", "image": "registry.example.com/theirs:1"}]},
    }
    held = {"app": "theirs-once", "testbed.meshops.io/hold": "true"}  # a Job's pod would be done, and need no proxy any more
    once = {"metadata": {**pod["metadata"], "labels": held}, "spec": {**pod["spec"], "restartPolicy": "Never"}}
    spec = {"selector": {"matchLabels": {"app": "theirs"}}, "template": pod}
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "theirs", **place},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": once}}},
    }
    apply(
        bed,
        [
            {
                "apiVersion": "apps/v1",
                "kind": "StatefulSet",
                "metadata": {"name": "theirs-db", **place},
                "spec": {**spec, "serviceName": "theirs"},
            },
            {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "theirs-agent", **place}, "spec": spec},
            cron,
        ],
    )
    done = bed.kubectl("create", "job", "theirs-now", "--from=cronjob/theirs", "-n", MEMBERS[1])
    assert done.returncode == 0, done.stderr
    for app, state in (("theirs", "condition=Ready"), ("theirs-once", "create")):
        done = bed.kubectl("wait", "pod", "-l", f"app={app}", "-n", MEMBERS[1], f"--for={state}", "--timeout=60s", timeout=90.0)
        assert done.returncode == 0, done.stderr


def removed(mesh: World, playbook: Playbook, folder: Path) -> None:
    """Takes all away that an installation has made, and operators, volumes and namespaces with it."""
    travel, roles = mesh.travel, mesh.roles | {"remove": folder / "remove"}
    variables = {**travel.vars, **REMOVED}
    planted(travel.bed)
    kubeconfig = grant(travel.bed, playbook, REMOVER, "remove", roles["remove"], inventory=INVENTORY, extra_vars=variables)
    mark = travel.bed.mark()
    run = travel.run("meshops.mesh.remove_mesh", bed=travel.bed, kubeconfig=kubeconfig, inventory=INVENTORY, extra_vars=variables).check()
    for row in ("StatefulSet {}/theirs-db", "DaemonSet {}/theirs-agent", "CronJob {}/theirs"):
        assert f"{row.format(MEMBERS[1])} (" in said(run), said(run)[-3000:]
    assert World(travel, mesh.checker, roles).lacks(mark, "remove", REMOVER) == ([], [])
    # what was there before us stays to be put back
    assert {*travel.ours("mesh.meshops.io/layer!=rights")} == {f"v1 Secret {HOME}/istio-ca-secret-saved"}


@pytest.mark.long
def test_a_removal_needs_these_rights_and_no_others(prod: World, playbook: Playbook, tmp_path: Path) -> None:
    removed(prod, playbook, tmp_path)


@pytest.mark.long
def test_ossm2_needs_these_rights_and_no_others(beds: Callable[..., Bed], playbook: Playbook, tmp_path: Path) -> None:
    mesh = world(beds(*OPERATORS, tag="rights-ossm2"), playbook, tmp_path / "roles", "ossm2")
    played(mesh, tmp_path)
    enrols(mesh)
    removed(mesh, playbook, tmp_path)
