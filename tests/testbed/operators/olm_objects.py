# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that the played OLM makes."""

from __future__ import annotations

import hashlib
from typing import Any

from .olm_rules import ALL_MODES, Bundle, Package

__all__ = ["bundle_objects", "cluster_service_version", "deployment", "open_crd", "operator_crd_refs", "package_manifest", "plan_steps"]

GROUP = "operators.coreos.com"
Obj = dict[str, Any]


def _pod(bundle: Bundle, never_ready: bool) -> Obj:
    pod: Obj = {
        "serviceAccountName": bundle.deployment,
        "containers": [
            {
                "name": bundle.deployment,
                "image": f"registry.example.com/{bundle.package}:{bundle.version}",
                "env": [{"name": "OPERATOR_CONDITION_NAME", "value": bundle.csv}],
            }
        ],
    }
    if never_ready:
        pod["nodeSelector"] = {"testbed/nowhere": "true"}
    return pod


def _deployment_spec(bundle: Bundle, never_ready: bool, deadline: int) -> Obj:
    labels = {"name": bundle.deployment}
    return {
        "replicas": 1,
        "progressDeadlineSeconds": deadline,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels, "annotations": {"olm.operatorNamespace": "", "olm.csv": bundle.csv}},
            "spec": _pod(bundle, never_ready),
        },
    }


def operator_crd_refs(bundle: Bundle) -> list[Obj]:
    return [{"name": name, "kind": bundle.kinds.get(name) or name.split(".")[0].capitalize(), "version": "v1"} for name in bundle.owned]


def cluster_service_version(bundle: Bundle, namespace: str, channel: str, group: str) -> Obj:
    """The CSV as the bundle has it, with what OLM adds."""
    spec: Obj = {
        "displayName": bundle.package,
        "version": bundle.version.split("-")[0],
        "provider": {"name": "testbed"},
        "installModes": [{"type": mode, "supported": mode in bundle.modes} for mode in ALL_MODES],
        "customresourcedefinitions": {"owned": operator_crd_refs(bundle)},
        "cleanup": {"enabled": False},
        "install": {
            "strategy": "deployment",
            "spec": {"deployments": [{"name": bundle.deployment, "spec": _deployment_spec(bundle, False, bundle.deadline)}]},
        },
    }
    if bundle.replaces(channel):
        spec["replaces"] = bundle.replaces(channel)
    if bundle.skips:
        spec["skips"] = list(bundle.skips)
    if bundle.min_kube:
        spec["minKubeVersion"] = bundle.min_kube
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "ClusterServiceVersion",
        "metadata": {
            "name": bundle.csv,
            "namespace": namespace,
            "labels": {f"{GROUP}/{bundle.package}.{namespace}"[:63].rstrip(".-"): ""},
            "annotations": {"olm.operatorNamespace": namespace, "olm.operatorGroup": group},
        },
        "spec": spec,
    }


def owner_of(csv: Obj) -> Obj:
    return {
        "apiVersion": csv["apiVersion"],
        "kind": csv["kind"],
        "name": csv["metadata"]["name"],
        "uid": csv["metadata"]["uid"],
        "blockOwnerDeletion": False,
        "controller": False,
    }


def deployment(bundle: Bundle, csv: Obj, never_ready: bool, deadline: int) -> Obj:
    """The Deployment of the operator; a version more is a new template."""
    namespace = csv["metadata"]["namespace"]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": bundle.deployment,
            "namespace": namespace,
            "ownerReferences": [owner_of(csv)],
            "labels": {"olm.owner": bundle.csv, "olm.owner.kind": "ClusterServiceVersion", "olm.owner.namespace": namespace},
        },
        "spec": _deployment_spec(bundle, never_ready, deadline),
    }


def cluster_role_name(bundle: Bundle) -> str:
    digest = hashlib.sha256(bundle.csv.encode()).hexdigest()[:20]
    return f"{bundle.csv[:25]}-{digest}"


def bundle_objects(bundle: Bundle, csv: Obj) -> list[Obj]:
    """What a plan applies after the CSV and its CRDs."""
    namespace = csv["metadata"]["namespace"]
    name = cluster_role_name(bundle)
    groups = sorted({crd.split(".", 1)[1] for crd in bundle.owned})
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": bundle.deployment, "namespace": namespace, "ownerReferences": [owner_of(csv)]},
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name, "labels": {"olm.owner": bundle.csv}},
            "rules": [{"apiGroups": groups, "resources": ["*"], "verbs": ["*"]}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name, "labels": {"olm.owner": bundle.csv}},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": bundle.deployment, "namespace": namespace}],
        },
    ]


def plan_steps(bundles: list[Bundle], source: str, source_namespace: str, status: str = "Unknown") -> list[Obj]:
    """All CSVs first, then the CRDs, then the rest, as OLM orders them."""

    def step(bundle: Bundle, group: str, version: str, kind: str, name: str) -> Obj:
        return {
            "resolving": bundle.csv,
            "status": status,
            "resource": {
                "group": group,
                "version": version,
                "kind": kind,
                "name": name,
                "manifest": "",
                "sourceName": source,
                "sourceNamespace": source_namespace,
            },
        }

    steps = [step(b, GROUP, "v1alpha1", "ClusterServiceVersion", b.csv) for b in bundles]
    steps += [step(b, "apiextensions.k8s.io", "v1", "CustomResourceDefinition", crd) for b in bundles for crd in b.owned[:1]]
    for bundle in bundles:
        if bundle.refused:
            steps.append(step(bundle, "", bundle.refused["apiVersion"], bundle.refused["kind"], bundle.refused["metadata"]["name"]))
        role = cluster_role_name(bundle)
        steps += [
            step(bundle, "", "v1", "ServiceAccount", bundle.deployment),
            step(bundle, "rbac.authorization.k8s.io", "v1", "ClusterRole", role),
            step(bundle, "rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", role),
        ]
    return steps


def package_manifest(package: Package, source: Obj) -> Obj:
    """What the package server says of a package: its channels with all their versions, the newest first."""
    meta, display = source["metadata"], source["spec"].get("displayName", "")
    channels = [
        {
            "name": name,
            "currentCSV": bundles[-1].csv,
            "currentCSVDesc": {"displayName": package.name, "version": bundles[-1].version},
            "entries": [{"name": bundle.csv, "version": bundle.version} for bundle in reversed(bundles)],
        }
        for name, bundles in package.channels.items()
    ]
    return {
        "apiVersion": "packages.operators.coreos.com/v1",
        "kind": "PackageManifest",
        "metadata": {
            "name": package.name,
            "namespace": meta["namespace"],
            "labels": {"catalog": meta["name"], "catalog-namespace": meta["namespace"]},
        },
        "spec": {},
        "status": {
            "catalogSource": meta["name"],
            "catalogSourceNamespace": meta["namespace"],
            "catalogSourceDisplayName": display,
            "packageName": package.name,
            "defaultChannel": next(iter(package.channels), ""),
            "channels": channels,
        },
    }


def open_crd(name: str, kind: str) -> Obj:
    """A CRD without rules, for packages whose own schema nothing here needs."""
    plural, group = name.split(".", 1)
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}
            ],
        },
    }
