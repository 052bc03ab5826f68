# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What is in a namespace, and whose it is: what would be lost if the namespace were deleted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._text import shortened
from .objects import LAYER, MESH, Ref, group_of, is_ours, made_by_us, managers_of

__all__ = ["OUR_VOLUME", "USUAL", "VOLUME", "Contents", "Foreign", "Usual", "certificate_of", "foreign_in", "is_usual", "listed", "trimmed"]

VOLUME = ("", "PersistentVolumeClaim")
OUR_VOLUME = "a volume of ours"
_ACCOUNT = "kubernetes.io/service-account.name"
_ACCOUNT_OPENSHIFT = "openshift.io/internal-registry-auth-token.service-account"
_CERTIFICATE = "cert-manager.io/certificate-name"
_ACCOUNT_SECRETS = frozenset({"kubernetes.io/service-account-token", "kubernetes.io/dockercfg"})
_RBAC = "rbac.authorization.k8s.io"
_RIGHTS = "rights"  # the layer of what render_rights renders
_SHOWN = 15

Meta = Mapping[str, Any]


@dataclass(frozen=True)
class Usual:
    """What Kubernetes, the platform or an operator makes again in every namespace: nobody's data."""

    group: str
    kinds: tuple[str, ...]
    reason: str
    names: str = ""  # a pattern for the whole name; any where it is empty
    labels: tuple[str, ...] = ()  # one of these keys
    annotations: tuple[str, ...] = ()  # one of these keys
    types: frozenset[str] = frozenset()  # of Secrets

    def fits(self, obj: Meta) -> bool:
        """Whether the row is about this object."""
        meta = obj["metadata"]
        return (
            obj["kind"] in self.kinds
            and group_of(obj["apiVersion"]) == self.group
            and (not self.names or re.fullmatch(self.names, meta["name"]) is not None)
            and (not self.labels or any(key in self.labels for key in meta.get("labels") or {}))
            and (not self.annotations or any(key in self.annotations for key in meta.get("annotations") or {}))
            and (not self.types or obj.get("type") in self.types)
        )


USUAL: tuple[Usual, ...] = (
    Usual("", ("Event",), "a note that Kubernetes forgets after an hour"),
    Usual("events.k8s.io", ("Event",), "a note that Kubernetes forgets after an hour"),
    Usual("", ("Endpoints",), "made from a Service, which counts itself"),
    Usual("discovery.k8s.io", ("EndpointSlice",), "made from a Service, which counts itself"),
    Usual("coordination.k8s.io", ("Lease",), "says who is at work now; whoever is makes it again"),
    Usual("", ("ConfigMap",), "says who is at work now (leader election)", annotations=("control-plane.alpha.kubernetes.io/leader",)),
    Usual("", ("ConfigMap",), "the controller manager puts it into every namespace", names=r"kube-root-ca\.crt"),
    Usual("", ("ConfigMap",), "OpenShift puts it into every namespace", names=r"openshift-service-ca\.crt"),
    Usual("", ("ConfigMap",), "istiod puts it into every namespace", names=r"istio-ca-root-cert|istio-ca-crl"),
    Usual("", ("Secret",), "the CA that istiod made for itself: it ends with its istiod", names=r"istio-ca-secret"),
    Usual("", ("ServiceAccount",), "Kubernetes makes it in every namespace", names="default"),
    Usual("", ("ServiceAccount",), "OpenShift makes it in every namespace", names="builder|deployer"),
    Usual(
        "rbac.authorization.k8s.io",
        ("RoleBinding",),
        "OpenShift makes it in every namespace",
        names="system:(deployers|image-builders|image-pullers)",
    ),
    Usual(
        "",
        ("Secret",),
        "a login of a ServiceAccount, which counts itself",
        annotations=(_ACCOUNT, _ACCOUNT_OPENSHIFT),
        types=_ACCOUNT_SECRETS,
    ),
    Usual("", ("ServiceAccount",), "OpenShift Pipelines makes it in every namespace", names="pipeline"),
    Usual("", ("ConfigMap",), "OpenShift Pipelines makes it in every namespace", names="config-(service|trusted)-cabundle"),
    Usual(
        "rbac.authorization.k8s.io",
        ("RoleBinding",),
        "OpenShift Pipelines makes it in every namespace",
        names="openshift-pipelines-edit|pipelines-scc-rolebinding",
    ),
    Usual("authorization.openshift.io", ("Role", "RoleBinding"), "another view of what rbac.authorization.k8s.io has"),
    Usual("image.openshift.io", ("ImageStreamTag", "ImageTag"), "another view of an ImageStream, which counts itself"),
    Usual("operators.coreos.com", ("ClusterServiceVersion",), "OLM's copy of an operator of another namespace", labels=("olm.copiedFrom",)),
    Usual(
        "maistra.io",
        ("ServiceMeshMember", "ServiceMeshMemberRoll"),
        "the operator of OSSM 2 keeps it for a member",
        annotations=("maistra.io/created-by",),
    ),
    Usual(
        "k8s.cni.cncf.io",
        ("NetworkAttachmentDefinition",),
        "the operator of OSSM 2 puts it into every member",
        names=r"(v\d+-\d+-)?(ossm-)?istio-cni",
    ),
    Usual(
        "networking.k8s.io",
        ("NetworkPolicy",),
        "the operator of OSSM 2 puts it into every member",
        names="istio-.+",
        labels=("maistra.io/owner", "maistra.io/member-of", "maistra-version"),
    ),
    Usual(
        "rbac.authorization.k8s.io",
        ("RoleBinding",),
        "the operator of OSSM 2 puts it into every member",
        labels=("maistra.io/owner", "maistra.io/member-of"),
    ),
    Usual(
        "route.openshift.io",
        ("Route",),
        "the operator of OSSM 2 makes it from a Gateway, which counts itself",
        labels=("maistra.io/generated-by",),
    ),
)


def is_usual(obj: Meta) -> bool:
    """Whether a row of the table is about it."""
    return any(row.fits(obj) for row in USUAL)


@dataclass(frozen=True)
class Contents:
    """One look into a namespace, as metadata. owners: of elsewhere, by uid; gone: uids of owners that do not exist any more."""

    namespace: str
    objects: tuple[dict[str, Any], ...]
    owners: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, order=True)
class Foreign:
    """An object that is not ours to delete."""

    ref: Ref
    reason: str

    def __str__(self) -> str:
        return f"{self.ref} ({self.reason})"


def trimmed(obj: Meta) -> dict[str, Any]:
    """What the question needs of an object's metadata: nothing that somebody wrote into it is carried along."""
    meta = obj["metadata"]
    known = {key for row in USUAL for key in row.annotations} | {_CERTIFICATE}
    notes = {key: value for key, value in (meta.get("annotations") or {}).items() if key in known}
    kept = {key: meta[key] for key in ("name", "namespace", "uid", "labels", "ownerReferences", "managedFields") if key in meta}
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "metadata": {**kept, "annotations": notes},
        **({"type": obj["type"]} if "type" in obj else {}),
    }


def certificate_of(obj: Meta) -> str:
    """The cert-manager Certificate whose Secret this is, empty where it is none: the controller must have written it itself."""
    meta = obj["metadata"]
    name = str((meta.get("annotations") or {}).get(_CERTIFICATE) or "")
    if obj["kind"] != "Secret" or not name or not any(one.startswith("cert-manager") for one in managers_of(obj)):
        return ""
    return name


def _gives_rights(obj: Meta) -> bool:
    """Whether it is what render_rights renders for an account of a mesh. An administrator applies it, so it is not written by us, and
    the account that is to delete the namespace cannot do without it. A namespace of operators is no mesh's own, so each mesh counts."""
    labels = obj["metadata"].get("labels") or {}
    return (
        obj["kind"] in ("Role", "RoleBinding")
        and group_of(obj["apiVersion"]) == _RBAC
        and is_ours(obj)
        and labels.get(LAYER) == _RIGHTS
        and re.fullmatch(f"meshops-[a-z]+-{re.escape(labels.get(MESH) or '')}", obj["metadata"]["name"]) is not None
    )


class _ContentsJudge:
    """Each object once; owners before what they own."""

    def __init__(self, contents: Contents, mesh: str, volumes_may_go: bool) -> None:
        self.contents = contents
        self.mesh = mesh
        self.volumes_may_go = volumes_may_go
        self.by_uid = {**contents.owners, **{str(obj["metadata"].get("uid")): obj for obj in contents.objects}}
        self.certificates = {
            obj["metadata"]["name"]: obj
            for obj in contents.objects
            if obj["kind"] == "Certificate" and group_of(obj["apiVersion"]) == "cert-manager.io"
        }
        self.known: dict[int, str] = {}

    def why(self, obj: Meta) -> str:
        """Why it is not ours to delete; empty where it is."""
        if id(obj) not in self.known:
            self.known[id(obj)] = "it owns itself"  # until it is known: a circle of owners belongs to nobody
            self.known[id(obj)] = self._why(obj)
        return self.known[id(obj)]

    def _why(self, obj: Meta) -> str:
        ours = made_by_us(obj, self.mesh)
        if _is_volume(obj):
            ours = ours or (bool(obj["metadata"].get("ownerReferences")) and not self._of_owners(obj))
            return "" if ours and self.volumes_may_go else OUR_VOLUME if ours else "a volume"
        if ours or is_usual(obj) or _gives_rights(obj):
            return ""
        issued = self.certificates.get(certificate_of(obj))
        if issued is not None:
            return self.why(issued)
        if obj["metadata"].get("ownerReferences"):
            return self._of_owners(obj)
        return f"written by {', '.join(managers_of(obj)) or 'unknown'}"

    def _of_owners(self, obj: Meta) -> str:
        """The controller decides; without one each of them keeps it alive."""
        owners = obj["metadata"]["ownerReferences"]
        deciding = [one for one in owners if one.get("controller")] or owners
        return next((text for text in map(self._of_owner, deciding) if text), "")

    def _of_owner(self, owner: Meta) -> str:
        uid = str(owner.get("uid"))
        if uid in self.contents.gone:
            return ""  # Kubernetes deletes it by itself
        found = self.by_uid.get(uid)
        if found is None:
            return f"its owner {owner.get('kind')} {owner.get('name')} could not be read"
        return f"of {owner.get('kind')} {owner.get('name')}" if self.why(found) else ""


def foreign_in(contents: Contents, mesh: str, *, volumes_may_go: bool = False) -> list[Foreign]:
    """What is not ours to delete, without what only belongs to another row: a Deployment, and not its pods as well."""
    judge = _ContentsJudge(contents, mesh, volumes_may_go)
    theirs = {str(obj["metadata"].get("uid")): obj for obj in contents.objects if judge.why(obj)}
    rows = [Foreign(Ref.of(obj), judge.why(obj)) for obj in theirs.values() if _is_volume(obj) or not _said_by_owner(obj, theirs)]
    return sorted(rows, key=lambda row: (row.ref.kind != VOLUME[1], row.ref))


def _is_volume(obj: Meta) -> bool:
    return (group_of(obj["apiVersion"]), obj["kind"]) == VOLUME


def _said_by_owner(obj: Meta, theirs: Mapping[str, Meta]) -> bool:
    """Whether one of its owners is named in its place; owners in a circle name nobody."""
    met: set[str] = set()
    todo = [obj]
    while todo:
        one = todo.pop()
        owners = [uid for uid in (str(ref.get("uid")) for ref in one["metadata"].get("ownerReferences") or []) if uid in theirs]
        if not owners and one is not obj:
            return True
        todo += [theirs[uid] for uid in owners if uid not in met]
        met.update(owners)
    return False


def listed(rows: Iterable[Any], show: Callable[[Any], str] = str, limit: int = _SHOWN) -> str:
    """The first ones and how many more there are."""
    return shortened(map(show, rows), limit)
