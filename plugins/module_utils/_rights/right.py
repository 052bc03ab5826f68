# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""One right of the table, and what of an intent says where it is needed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from .._model.intent import Intent

__all__ = ["WRITE", "Right", "Scope", "Where", "namespaces_made"]

WRITE = ("get", "create", "patch")  # an apply asks for create where the object is not there yet


class Where(Enum):
    """Where a right is needed."""

    CLUSTER = "in the whole cluster"
    PLANE = "in the control plane's namespace"
    MESH = "in the control plane's namespace and in each member"
    PROXIES = "in the control plane's namespace and in each member; in the whole cluster where no member is named"
    GATEWAYS = "in the namespaces of the gateways' pods"
    MEMBERS = "in each member"
    SPACES = "in the namespaces of the control plane, of each member, of the CNI plugin and of operators that go"
    EXEMPT = "in the namespaces that mesh_mtls names"
    PROJECTS = "in the namespaces of mesh_project_gateways"
    API_GATEWAYS = "in the namespaces of those of mesh_gateways that are of the Gateway API"
    SECRETS = "in the namespaces whose Secrets the intent brings"
    SERVED = "in the namespaces of the certificates of gateways and clients"
    GIVEN = "in the namespaces of the Secrets that certificates are taken from"
    TRUST = "in the namespaces of the roots that are to be trusted"


@dataclass(frozen=True)
class Right:
    """One rule: a resource as `plural.group` or `plural`, with a subresource after a slash."""

    resource: str
    verbs: tuple[str, ...]
    where: Where
    why: str
    when: tuple[str, ...] = ()  # words of _rights.parts, one of which must be there; none: always
    names: tuple[str, ...] = ()
    work: str = ""  # the work of the family that needs it; none: all of it

    @property
    def group(self) -> str:
        """The API group; the core group is the empty string."""
        return self.resource.partition("/")[0].partition(".")[2]

    @property
    def plural(self) -> str:
        """The resource as RBAC writes it, `pods/exec`."""
        name, slash, sub = self.resource.partition("/")
        return name.partition(".")[0] + slash + sub


def namespaces_made(why: str, *verbs: str) -> tuple[Right, ...]:
    """What making namespaces needs, with further verbs: where projects are requested instead, nobody needs to create one."""
    return (
        Right("namespaces", ("get", "patch", *verbs), Where.CLUSTER, why),
        Right("namespaces", ("create",), Where.CLUSTER, "namespaces that are missing are made", when=("namespaces",)),
        Right("projectrequests.project.openshift.io", ("create",), Where.CLUSTER, "projects are requested", when=("projects",)),
    )


@dataclass(frozen=True)
class Scope:
    """What of an intent decides which rights are needed."""

    intent: Intent
    gateways: tuple[str, ...] = ()  # namespaces in which pods of gateways run, beside that of the control plane
    secrets: tuple[str, ...] = ()  # namespaces into which the intent brings Secrets
    exempt: tuple[str, ...] = ()  # namespaces in which something is exempted from mutual TLS
    categories: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    parts: frozenset[str] = frozenset()  # words of _rights.parts
    served: tuple[str, ...] = ()  # namespaces of certificates of gateways and clients, beside that of the control plane
    given: tuple[str, ...] = ()  # namespaces of Secrets that certificates are taken from
    trust: tuple[str, ...] = ()  # namespaces of roots to trust
    operators: tuple[str, ...] = ()  # namespaces that operators have for themselves
    projects: tuple[str, ...] = ()  # namespaces that have a gateway of their own
    api_gateways: tuple[str, ...] = ()  # namespaces that have a gateway of the Gateway API
    works: tuple[str, ...] = ()  # what of a family is meant; none: all of it

    def namespaces(self, where: Where) -> tuple[str, ...]:
        """The namespaces that are meant; the empty name is the whole cluster."""
        plane = (self.intent.namespace,) if self.intent.namespace else ()
        members = self.intent.members or ()
        cni = str((self.intent.control_plane or {}).get("cni", {}).get("namespace", "istio-cni"))
        found: dict[Where, Iterable[str]] = {
            Where.CLUSTER: ("",),
            Where.PLANE: plane,
            Where.MEMBERS: members,
            Where.MESH: (*plane, *members),
            Where.GATEWAYS: (*plane, *self.gateways),
            Where.SECRETS: self.secrets,
            Where.EXEMPT: self.exempt,
            Where.PROJECTS: self.projects,
            Where.API_GATEWAYS: self.api_gateways,
            Where.PROXIES: (*plane, *members) if members else ("",),
            Where.SERVED: (*plane, *self.served),
            Where.GIVEN: self.given,
            Where.TRUST: self.trust,
            Where.SPACES: (
                *plane,
                *members,
                *([cni] if "cni" in self.parts else []),
                *(self.operators if "remove_operators" in self.parts else ()),
            ),
        }
        return tuple(dict.fromkeys(found[where]))
