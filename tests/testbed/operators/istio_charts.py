# SPDX-License-Identifier: GPL-3.0-or-later
"""Istio's own charts for the played Sail operator: rendered by the istioctl that the bed has built, and made the operator's own.

The charts are those of the pinned release whatever spec.version says; the images carry the version that was asked for.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from .charts import HUB, ISTIOD_GATE, NOWHERE, merge, owner
from .status import SailError

__all__ = ["RENDER_ERROR", "IstioCharts", "adopt", "cni_input", "control_plane_input", "merged_profile", "tag_input", "ztunnel_input"]

Obj = dict[str, Any]
RENDER_ERROR = "failed to render chart"
# What a profile of the operator is in the values of the charts; None: the chart has a file of that name.
_PROFILES: dict[str, Obj | None] = {
    "default": {},
    "empty": {},
    "openshift": {"global": {"platform": "openshift"}},
    "openshift-ambient": {"profile": "ambient", "global": {"platform": "openshift"}},
    **dict.fromkeys(("ambient", "demo", "preview", "remote", "stable")),
}
_WEBHOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
# What others need is applied before them; what is not named comes between.
_FIRST = ("Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ConfigMap", "Service")
_LAST = ("Deployment", "DaemonSet", "HorizontalPodAutoscaler", "PodDisruptionBudget", *_WEBHOOKS)
# The charts of a checkout have this version; releases write their own.
_UNRELEASED = "1.0.0"


def merged_profile(values: Obj) -> Obj:
    """Values in which the operator's profile has become what the charts know."""
    name = values.get("profile") or "default"
    if name not in _PROFILES:
        raise SailError(f"failed to read profile {name}: open {name}.yaml: no such file or directory")
    plain = {key: value for key, value in values.items() if key != "profile"}
    known = _PROFILES[name]
    out = merge({"profile": name} if known is None else known, plain)
    openshift = (out.get("global") or {}).get("platform") == "openshift"
    return merge({"pilot": {"cni": {"enabled": openshift or out.get("profile") == "ambient"}}}, out)


def _operator(namespace: str, version: str, components: Obj, values: Obj) -> Obj:
    images = {"hub": HUB, "tag": version.lstrip("v"), "istioNamespace": namespace}
    return {
        "apiVersion": "install.istio.io/v1alpha1",
        "kind": "IstioOperator",
        "metadata": {"namespace": namespace},
        "spec": {
            "profile": "empty",
            "components": components,
            "values": merge({"global": images}, values),
            # istioctl says by its own components whether there is a CNI, over the values; these come after it.
            "unvalidatedValues": {"pilot": {"cni": {"enabled": values["pilot"]["cni"]["enabled"]}}},
        },
    }


def control_plane_input(rev: Obj) -> Obj:
    """What istioctl renders for an IstioRevision. The revision `default` brings the validation for all objects, in the chart base."""
    values = merged_profile(rev["spec"].get("values") or {})
    components: Obj = {"pilot": {"enabled": True}}
    if rev["metadata"]["name"] == "default":
        # The operator's bundle has brought the CRDs.
        components["base"] = {"enabled": True}
        values = merge({"base": {"enableIstioConfigCRDs": False}, "defaultRevision": "default"}, values)
    return _operator(rev["spec"]["namespace"], rev["spec"]["version"], components, values)


def tag_input(tag: Obj, rev: Obj) -> Obj:
    """The same charts with the tag: only what carries its label is the tag's."""
    name = tag["metadata"]["name"]
    made = control_plane_input(rev)
    more: Obj = {"revisionTags": [name]}
    if name == "default":
        made["spec"]["components"]["base"] = {"enabled": True}
        more |= {"base": {"enableIstioConfigCRDs": False}, "defaultRevision": made["spec"]["values"].get("revision") or "default"}
    made["spec"]["values"] = merge(made["spec"]["values"], more)
    return made


def _agent_input(obj: Obj, version: str, component: str) -> Obj:
    spec = obj["spec"]
    values = merge({"profile": spec["profile"]} if spec.get("profile") else {}, spec.get("values") or {})
    return _operator(spec["namespace"], version, {component: {"enabled": True, "namespace": spec["namespace"]}}, merged_profile(values))


def cni_input(obj: Obj, version: str) -> Obj:
    return _agent_input(obj, version, "cni")


def ztunnel_input(obj: Obj, version: str) -> Obj:
    return _agent_input(obj, version, "ztunnel")


def adopt(objects: list[Obj], owned_by: Obj, release: str, version: str, *, never_ready: bool = False) -> list[Obj]:
    """The objects as the operator leaves them: its labels and references, in the order in which they are applied.

    The bed's own is a readiness gate of istiod's pods, in place of the kubelet that asks /ready.
    A webhook's caBundle is istiod's to fill: what is empty is left out, so that an apply does not take it away."""
    made = []
    for found in objects:
        if found["kind"] == "CustomResourceDefinition":
            continue
        obj = copy.deepcopy(found)
        obj.pop("status", None)
        meta = obj["metadata"]
        meta["labels"] = _labels(meta.get("labels") or {}, release, version)
        meta["ownerReferences"] = [owner(owned_by)]
        template = (obj.get("spec") or {}).get("template") if obj["kind"] in ("Deployment", "DaemonSet") else None
        if template:
            template["metadata"]["labels"] = _labels(template["metadata"].get("labels") or {}, release, version)
            if obj["kind"] == "Deployment":
                template["spec"]["readinessGates"] = [{"conditionType": ISTIOD_GATE}]
            if never_ready:
                template["spec"]["nodeSelector"] = {**(template["spec"].get("nodeSelector") or {}), **NOWHERE}
        if obj["kind"] in _WEBHOOKS:
            for hook in obj.get("webhooks") or []:
                if not hook["clientConfig"].get("caBundle"):
                    hook["clientConfig"].pop("caBundle", None)
        made.append(obj)
    return sorted(made, key=lambda obj: _rank(obj["kind"]))


def _labels(labels: dict[str, str], release: str, version: str) -> dict[str, str]:
    out = {**labels, "app.kubernetes.io/managed-by": "sail-operator"}
    for key in ("release", "app.kubernetes.io/instance"):
        if key in out:
            out[key] = release
    if "app.kubernetes.io/version" in out:
        out["app.kubernetes.io/version"] = version.lstrip("v")
    if out.get("helm.sh/chart", "").endswith(f"-{_UNRELEASED}"):
        out["helm.sh/chart"] = out["helm.sh/chart"].removesuffix(_UNRELEASED) + version.lstrip("v")
    return out


def _rank(kind: str) -> int:
    if kind in _FIRST:
        return _FIRST.index(kind) - len(_FIRST)
    return _LAST.index(kind) + 1 if kind in _LAST else 0


class IstioCharts:
    """Renders by `istioctl manifest generate`; the same input is rendered once."""

    def __init__(self, istioctl: Path) -> None:
        self._istioctl = istioctl
        self._rendered: dict[str, asyncio.Task[list[Obj]]] = {}

    async def istiod(self, rev: Obj, *, never_ready: bool = False) -> list[Obj]:
        """Everything of one IstioRevision."""
        rendered = await self._render(control_plane_input(rev))
        return adopt(rendered, rev, f"{rev['metadata']['name']}-istiod", rev["spec"]["version"], never_ready=never_ready)

    async def tag(self, tag: Obj, rev: Obj) -> list[Obj]:
        """Everything of one IstioRevisionTag."""
        name = tag["metadata"]["name"]
        rendered = [
            obj
            for obj in await self._render(tag_input(tag, rev))
            if (obj["metadata"].get("labels") or {}).get("istio.io/tag") == name
            or (name == "default" and obj["metadata"]["name"] == "istiod-default-validator")
        ]
        return adopt(rendered, tag, f"{name}-revisiontags", rev["spec"]["version"])

    async def cni(self, obj: Obj, version: str, *, never_ready: bool = False) -> list[Obj]:
        return adopt(await self._render(cni_input(obj, version)), obj, "istio-cni", version, never_ready=never_ready)

    async def ztunnel(self, obj: Obj, version: str, *, never_ready: bool = False) -> list[Obj]:
        return adopt(await self._render(ztunnel_input(obj, version)), obj, "ztunnel", version, never_ready=never_ready)

    async def _render(self, operator: Obj) -> list[Obj]:
        key = hashlib.sha256(json.dumps(operator, sort_keys=True).encode()).hexdigest()
        task = self._rendered.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = self._rendered[key] = asyncio.create_task(self._generate(operator))
        return await asyncio.shield(task)

    async def _generate(self, operator: Obj) -> list[Obj]:
        # Without --force it refuses values that the operator passes on to the charts.
        process = await asyncio.create_subprocess_exec(
            str(self._istioctl),
            "manifest",
            "generate",
            "--force",
            "-f",
            "-",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(json.dumps(operator).encode())
        if process.returncode:
            lines = err.decode(errors="replace").strip().splitlines()
            raise SailError(f"{RENDER_ERROR}: {lines[-1] if lines else f'istioctl ended with {process.returncode}'}")
        return await asyncio.to_thread(_documents, out)


def _documents(text: bytes) -> list[Obj]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [obj for obj in yaml.load_all(text, Loader=loader) if obj]
