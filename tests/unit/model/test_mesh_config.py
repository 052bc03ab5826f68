# SPDX-License-Identifier: GPL-3.0-or-later
"""The effective configuration of each istiod: which object says what, which goes first, and what is not known."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._model.mesh_config import MeshConfig, is_mesh_config, mesh_configs
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def config_map(mesh: Any, revision: str = "default", namespace: str = "istio-system", **more: Any) -> dict[str, Any]:
    name = "istio" if revision == "default" else f"istio-{revision}"
    text = mesh if isinstance(mesh, str) else yaml.safe_dump(mesh)
    labels = {"istio.io/rev": revision, **more.pop("labels", {})}
    meta = {"name": name, "labels": labels, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"mesh": text, "meshNetworks": "networks: {}"}}


def istio(name: str = "default", **spec: Any) -> dict[str, Any]:
    status = spec.pop("status", {})
    spec = {"namespace": "istio-system", **spec}
    return {"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": name}, "spec": spec, "status": status}


def revision(name: str, **spec: Any) -> dict[str, Any]:
    spec = {"namespace": "istio-system", **spec}
    return {"apiVersion": "sailoperator.io/v1", "kind": "IstioRevision", "metadata": {"name": name}, "spec": spec}


def istiod(image: str = "docker.io/istio/pilot:1.29.1", revision: str = "default", **more: Any) -> dict[str, Any]:
    env = [{"name": "REVISION", "value": revision}, *({"name": name, "value": value} for name, value in more.pop("env", {}).items())]
    container = {"name": "discovery", "image": image, "args": ["discovery", *more.pop("args", [])], "env": env}
    name = "istiod" if revision == "default" else f"istiod-{revision}"
    meta = {"name": name, "namespace": "istio-system", "labels": {"app": "istiod", "istio.io/rev": revision, **more.pop("labels", {})}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"template": {"spec": {"containers": [container]}}}}


def smcp(name: str = "basic", namespace: str = "mesh-a", **spec: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "maistra.io/v2", "kind": "ServiceMeshControlPlane", "metadata": meta, "spec": spec}


def one(*objects: dict[str, Any]) -> MeshConfig:
    (found,) = mesh_configs(objects)
    return found


CORP = {"trustDomain": "corp.example", "rootNamespace": "mesh-config"}


def test_the_config_map_goes_before_the_resource_it_was_made_from() -> None:
    plane = istio(version="v1.28.0", values={"meshConfig": {"trustDomain": "old.example"}})
    found = one(plane, config_map(CORP, labels={"app.kubernetes.io/version": "1.29.1"}))
    assert (found.revision, found.namespace, found.trust_domain, found.root_namespace) == (
        "default",
        "istio-system",
        "corp.example",
        "mesh-config",
    )
    assert found.known and found.version == "1.29.1" and found.sources == ("ConfigMap istio-system/istio",)


def test_what_a_config_map_leaves_out_is_istio_s_default_and_what_nothing_says_is_unsaid() -> None:
    found = one(config_map(""))
    assert (found.known, found.trust_domain, found.root_namespace, found.extension_providers) == (True, "cluster.local", "istio-system", ())
    bare = one(istiod())
    assert (bare.known, bare.trust_domain, bare.root_namespace, bare.version) == (False, "", "", "1.29.1")


@pytest.mark.parametrize(
    "plane",
    [
        istio(values={"meshConfig": CORP, "global": {"proxy": {"clusterDomain": "corp.local"}}}),
        revision("default", values={"meshConfig": CORP, "global": {"proxy": {"clusterDomain": "corp.local"}}}),
        {
            "apiVersion": "install.istio.io/v1alpha1",
            "kind": "IstioOperator",
            "metadata": {"name": "x"},
            "spec": {"meshConfig": CORP, "values": {"global": {"proxy": {"clusterDomain": "corp.local"}}}},
        },
    ],
)
def test_a_resource_says_it_where_there_is_no_config_map(plane: dict[str, Any]) -> None:
    found = one(plane)
    assert (found.revision, found.trust_domain, found.root_namespace, found.cluster_domain) == (
        "default",
        "corp.example",
        "mesh-config",
        "corp.local",
    )
    assert not found.known


def test_ossm2_has_an_istio_of_its_own_inside_and_its_own_namespace_for_a_root() -> None:
    plane = smcp(
        version="v2.6",
        security={"trust": {"domain": "a.example", "additionalDomains": ["b.example"]}},
        proxy={"networking": {"clusterDomain": "corp.local"}},
        techPreview={"meshConfig": {"extensionProviders": [{"name": "x"}]}},
    )
    found = one(plane)
    assert (found.revision, found.root_namespace, found.version, found.ossm2) == ("basic", "mesh-a", "1.20", True)
    assert (found.trust_domain, found.trust_domain_aliases, found.cluster_domain) == ("a.example", ("b.example",), "corp.local")
    effective = config_map({"trustDomain": "c.example"}, "basic", "mesh-a", labels={"app.kubernetes.io/version": "2.5.4"})
    found = one(plane, effective)
    assert (found.trust_domain, found.version, found.cluster_domain) == ("c.example", "1.18", "corp.local")


def test_two_control_planes_of_one_name_in_two_namespaces_are_two() -> None:
    planes = [smcp(namespace=name, security={"trust": {"domain": f"{name}.example"}}) for name in ("a", "b")]
    maps = [config_map({"trustDomain": f"{name}.effective"}, "basic", name) for name in ("a", "b")]
    assert [found.trust_domain for found in mesh_configs([*planes, *maps])] == ["a.effective", "b.effective"]


def test_each_revision_has_its_own() -> None:
    objects = [
        config_map({"trustDomain": "one.example"}),
        config_map({"trustDomain": "two.example"}, "canary"),
        istiod(),
        istiod("registry.example/pilot:1.30.2-distroless", "canary"),
    ]
    found = {config.revision: (config.trust_domain, config.version) for config in mesh_configs(objects)}
    assert found == {"default": ("one.example", "1.29.1"), "canary": ("two.example", "1.30.2")}


def test_a_revision_says_more_than_the_istio_that_it_was_made_from() -> None:
    plane = istio("prod", version="v1.30.1", updateStrategy={"type": "RevisionBased"}, values={"meshConfig": {"trustDomain": "a"}})
    rows = [
        revision("prod-v1-29-0", version="v1.29.0", values={"meshConfig": {"trustDomain": "b"}}),
        revision("prod-v1-30-1", version="v1.30.1", values={"meshConfig": {"trustDomain": "c"}}),
    ]
    found = {config.revision: config.trust_domain for config in mesh_configs([plane, *rows])}
    assert found == {"prod-v1-29-0": "b", "prod-v1-30-1": "c"}


@pytest.mark.parametrize("there", [True, False])
def test_an_alias_is_the_revision_that_begins_so(there: bool) -> None:
    plane = istio("prod", version="v1.30-latest", updateStrategy={"type": "RevisionBased"})
    rows = [revision("prod-v1-30-4", version="v1.30.4")] if there else []
    assert [config.revision for config in mesh_configs([plane, *rows])] == ["prod-v1-30-4" if there else "prod-v1-30"]
    named = istio("prod", version="v1.30-latest", status={"activeRevisionName": "prod-v1-30-4"})
    assert [config.revision for config in mesh_configs([named, *rows])] == ["prod-v1-30-4"]


def test_a_shared_config_is_below_and_providers_and_aliases_are_joined() -> None:
    shared = config_map(
        {
            "trustDomain": "shared.example",
            "trustDomainAliases": ["x"],
            "accessLogFile": "/dev/stdout",
            "extensionProviders": [{"name": "a", "zipkin": {}}, {"name": "b"}],
            "defaultConfig": {"gatewayTopology": {"numTrustedProxies": 2}},
        },
        "user",
    )
    own = config_map(
        {
            "trustDomain": "own.example",
            "trustDomainAliases": ["y"],
            "extensionProviders": [{"name": "a", "envoyExtAuthzHttp": {}}],
            "defaultConfig": {"holdApplicationUntilProxyStarts": True},
        }
    )
    found = one(own, shared, istiod(env={"SHARED_MESH_CONFIG": "istio-user"}))
    assert (found.trust_domain, found.trust_domain_aliases, found.trusted_proxies) == ("own.example", ("x", "y"), 2)
    assert [sorted(entry) for entry in found.extension_providers] == [["envoyExtAuthzHttp", "name"], ["name"]]
    assert found.sources == ("ConfigMap istio-system/istio", "ConfigMap istio-system/istio-user")


def test_flags_are_those_of_the_running_istiod() -> None:
    plane = istio(values={"pilot": {"env": {"PILOT_X": "true", "PILOT_Y": "true"}}})
    assert one(plane).flag("PILOT_X") is True and one(plane).flag("PILOT_Z") is None
    assert one(plane, istiod(env={"PILOT_X": "false"})).flag("PILOT_X") is False
    assert one(plane, istiod(env={"PILOT_X": "false"})).flag("PILOT_Y") is None


@pytest.mark.parametrize(
    ("deployment", "version"),
    [
        (istiod("pilot:1.30.0"), "1.30.0"),
        (istiod("localhost:5000/pilot@sha256:0123", labels={"app.kubernetes.io/version": "1.27.3"}), "1.27.3"),
        (istiod("localhost:5000/pilot", labels={"helm.sh/chart": "istiod-1.26.1"}), "1.26.1"),
        (istiod("pilot:latest"), "v1.24.0"),
        (istiod("pilot@sha256:0123", labels={"app.kubernetes.io/version": "3.1.0"}), "v1.24.0"),
    ],
)
def test_the_version_is_the_one_that_runs(deployment: dict[str, Any], version: str) -> None:
    assert one(istio(version="v1.24.0"), deployment).version == version


@pytest.mark.parametrize(
    "says",
    [
        istiod(args=["--domain", "corp.local"]),
        istiod(args=["--domain=corp.local"]),
        {
            **config_map(""),
            "metadata": {"name": "istio-sidecar-injector", "namespace": "istio-system", "labels": {"istio.io/rev": "default"}},
            "data": {"config": "x", "values": json.dumps({"global": {"proxy": {"clusterDomain": "corp.local"}}})},
        },
        {
            **config_map(""),
            "metadata": {"name": "values", "namespace": "istio-system", "labels": {"istio.io/rev": "default"}},
            "data": {"merged-values": json.dumps({"global": {"proxy": {"clusterDomain": "corp.local"}}})},
        },
    ],
)
def test_the_cluster_domain_is_told_by_several(says: dict[str, Any]) -> None:
    assert one(config_map(""), says).cluster_domain == "corp.local"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "data.mesh is not YAML (line "),
        ("\t: x", "data.mesh is not YAML (line 1)"),
        ("- a", "data.mesh is list, expected a mapping"),
        ("just words", "data.mesh is str, expected a mapping"),
        ("trustDomain: 5", "data.mesh: trustDomain is int, expected a text"),
        ("rootNamespace: [a]", "data.mesh: rootNamespace is list, expected a text"),
        ("trustDomainAliases: [a, {}]", "data.mesh: trustDomainAliases has an entry that is no text"),
        ("extensionProviders: [sso]", "data.mesh: extensionProviders has an entry that is no mapping"),
        ("extensionProviders: [{zipkin: {}}]", "data.mesh: extensionProviders has an entry without a name"),
        ("discoverySelectors: [{matchLabels: text}]", "data.mesh: discoverySelectors has an entry that is no selector"),
        ("discoverySelectors: [{matchExpressions: [text]}]", "data.mesh: discoverySelectors has an entry that is no selector"),
        ("discoverySelectors: {a: b}", "data.mesh: discoverySelectors is dict, expected a list"),
        ("pathNormalization: {normalization: SOME}", "data.mesh: pathNormalization.normalization is 'SOME'"),
        ("defaultConfig: x", "data.mesh: defaultConfig is str, expected a mapping"),
        ("[" * 5000, "data.mesh is not YAML"),
    ],
)
def test_what_istiod_cannot_read_is_said_and_is_not_its_defaults(text: str, message: str) -> None:
    found = one(config_map(text))
    assert [problem.resource for problem in found.broken] == ["ConfigMap istio-system/istio"]
    assert found.broken[0].message.startswith(message) and not found.known and found.trust_domain == ""
    beside = one(config_map(text), istio(values={"meshConfig": CORP}))
    assert beside.trust_domain == "corp.example" and len(beside.broken) == 1


def test_a_broken_shared_config_is_said_too() -> None:
    broken = {**config_map("[", "x"), "metadata": {"name": "user", "namespace": "istio-system"}}
    found = one(config_map(CORP), broken, istiod(env={"SHARED_MESH_CONFIG": "user"}))
    assert [problem.resource for problem in found.broken] == ["ConfigMap istio-system/user"] and found.trust_domain == "corp.example"


@pytest.mark.parametrize("namespace", ["", "istio-system"])
def test_objects_without_a_namespace_belong_to_their_revision(namespace: str) -> None:
    assert one(istio(), config_map(CORP, namespace=namespace)).trust_domain == "corp.example"
    assert one(config_map(CORP, namespace=namespace), istiod()).version == "1.29.1"


@pytest.mark.parametrize("name", ["istio-ca-root-cert", "istio-sidecar-injector", "istiod", "my-istio", "kiali"])
def test_other_config_maps_are_none_of_istiod_s(name: str) -> None:
    assert not is_mesh_config({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"config": "x"}})
    assert mesh_configs([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"config": "x"}}]) == ()


WRONG = [None, 5, "text", ["list"], [None], {"a": {}}, True, [{"a": 1}]]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(
    "path",
    [
        "metadata",
        "spec",
        "spec.values",
        "spec.values.meshConfig",
        "spec.values.global",
        "spec.values.pilot",
        "status",
        "spec.version",
        "data",
        "spec.template",
        "spec.security",
        "spec.proxy",
    ],
)
@pytest.mark.parametrize("start", [istio(values={"meshConfig": CORP}), smcp(), istiod(), config_map(CORP)], ids=lambda obj: obj["kind"])
def test_a_wrong_type_anywhere_is_no_python_error(start: dict[str, Any], path: str, wrong: Any) -> None:
    obj = json.loads(json.dumps(start))
    *way, last = path.split(".")
    place = obj
    for step in way:
        place = place.setdefault(step, {})
    place[last] = wrong
    for found in mesh_configs([obj]):
        assert isinstance(found.trust_domain, str) and isinstance(found.trusted_proxies, int)
        assert all(isinstance(entry, dict) for entry in (*found.extension_providers, *found.discovery_selectors))


def test_a_snapshot_says_the_same() -> None:
    """What a snapshot leaves out of objects is nothing that decides."""
    full = {
        **CORP,
        "trustDomainAliases": ["old.example"],
        "pathNormalization": {"normalization": "MERGE_SLASHES"},
        "discoverySelectors": [
            {"matchLabels": {"mesh": "yes"}},
            {"matchExpressions": [{"key": "team", "operator": "In", "values": ["a"]}]},
        ],
        "defaultConfig": {"gatewayTopology": {"numTrustedProxies": 1}},
        "defaultProviders": {"accessLogging": ["envoy"]},
        "extensionProviders": [
            {"name": "opa", "envoyExtAuthzGrpc": {"service": "opa.opa.svc.cluster.local", "port": 9191}},
            {"name": "sso", "envoyExtAuthzHttp": {"service": "sso.sso.svc.cluster.local", "port": 80}},
            {"name": "traces", "opentelemetry": {"service": "otel.otel.svc.cluster.local", "port": 4317}},
        ],
    }
    flags = {
        "PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS": "true",
        "ENABLE_SELECTOR_BASED_K8S_GATEWAY_POLICY": "false",
        "AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY": "true",
        "SHARED_MESH_CONFIG": "user",
    }
    shared = {**config_map({"trustDomainAliases": ["older.example"]}, "x"), "metadata": {"name": "user", "namespace": "istio-system"}}
    values = json.dumps({"global": {"proxy": {"clusterDomain": "corp.local"}}})
    injector = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio-sidecar-injector-next", "namespace": "istio-system"}}
    objects = [
        config_map(full, labels={"app.kubernetes.io/version": "1.29.1"}),
        istiod(env=flags, args=["--domain", "corp.local"]),
        config_map(CORP, "next"),
        {**injector, "data": {"values": values, "config": "policy: enabled"}},
        shared,
        smcp(version="v2.6", security={"trust": {"domain": "a.example"}}, proxy={"networking": {"clusterDomain": "b.local"}}),
        istio("other", values={"meshConfig": full, "pilot": {"env": flags}, "global": {"proxy": {"clusterDomain": "c.local"}}}),
    ]
    saved = Snapshot("west", NOW, "cluster", None, tuple(objects)).to_json()
    assert len(mesh_configs(objects)) == 4
    before, after = ([seen(config) for config in mesh_configs(found)] for found in (objects, saved["objects"]))
    assert after == before


def seen(config: MeshConfig) -> dict[str, Any]:
    names = (
        "revision",
        "namespace",
        "known",
        "version",
        "cluster_domain",
        "trust_domain",
        "trust_domain_aliases",
        "root_namespace",
        "broken",
    )
    more = ("path_normalization", "discovery_selectors", "trusted_proxies", "default_providers", "ossm2", "sources")
    kinds = [(entry["name"], sorted(entry)) for entry in config.extension_providers]
    flags = [config.flag(name) for name in ("PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS", "ENABLE_SELECTOR_BASED_K8S_GATEWAY_POLICY")]
    return {name: getattr(config, name) for name in (*names, *more)} | {"providers": kinds, "flags": flags}


@pytest.mark.parametrize("text", ["a: [", "- a", "trustDomain: 5", "extensionProviders: [sso]"])
def test_a_broken_configuration_is_broken_in_a_snapshot_too(text: str) -> None:
    saved = Snapshot("west", NOW, "cluster", None, (config_map(text),)).to_json()
    assert [problem.resource for problem in one(*saved["objects"]).broken] == ["ConfigMap istio-system/istio"]
