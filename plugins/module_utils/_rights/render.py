# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The rights as objects: a ClusterRole and a Role for each namespace, and their bindings where subjects are named."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._errors import ConfigError
from .right import Right, Scope

__all__ = ["by_namespace", "manifests", "role_name"]

_API = "rbac.authorization.k8s.io"
_KINDS = ("ServiceAccount", "User", "Group")


def role_name(family: str, mesh: str) -> str:
    """The name of the ClusterRole, the Roles and the bindings."""
    return f"meshops-{family}-{mesh}" if mesh else f"meshops-{family}"


def by_namespace(rights: Iterable[Right], scope: Scope) -> dict[str, list[Right]]:
    """The rights by namespace; those of the whole cluster under the empty name. What the whole cluster has is not repeated."""
    found: dict[str, list[Right]] = defaultdict(list)
    for right in rights:
        for namespace in scope.namespaces(right.where):
            found[namespace].append(right)
    wide = {(right.resource, verb) for right in found[""] if not right.names for verb in right.verbs}
    for namespace in [name for name in found if name]:
        found[namespace] = [right for right in found[namespace] if not {(right.resource, verb) for verb in right.verbs} <= wide]
    return {namespace: rows for namespace, rows in sorted(found.items()) if rows}


def _rules(rights: Iterable[Right]) -> list[dict[str, Any]]:
    """Resources with the same group, verbs and names share a rule."""
    rules: dict[tuple[str, tuple[str, ...], tuple[str, ...]], set[str]] = defaultdict(set)
    for right in rights:
        rules[right.group, right.verbs, right.names].add(right.plural)
    return [
        {"apiGroups": [group], "resources": sorted(resources), "verbs": list(verbs), **({"resourceNames": list(names)} if names else {})}
        for (group, verbs, names), resources in sorted(rules.items())
    ]


def _subject(given: Mapping[str, Any]) -> dict[str, str]:
    kind, name, namespace = (str(given.get(key) or "") for key in ("kind", "name", "namespace"))
    if kind not in _KINDS or not name or (kind == "ServiceAccount") != bool(namespace):
        raise ConfigError(f"subjects: {dict(given)!r}: give kind ({', '.join(_KINDS)}) and name, and the namespace of a ServiceAccount")
    return {"kind": kind, "name": name, **({"namespace": namespace} if namespace else {"apiGroup": _API})}


def manifests(family: str, rights: Iterable[Right], scope: Scope, subjects: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """The objects that an administrator applies."""
    who, name, objects = [_subject(one) for one in subjects], role_name(family, scope.intent.mesh or ""), []
    for namespace, rows in by_namespace(rights, scope).items():
        kind, meta = ("Role" if namespace else "ClusterRole"), {"name": name, **({"namespace": namespace} if namespace else {})}
        objects.append({"apiVersion": f"{_API}/v1", "kind": kind, "metadata": meta, "rules": _rules(rows)})
        if who:
            objects.append(
                {
                    "apiVersion": f"{_API}/v1",
                    "kind": f"{kind}Binding",
                    "metadata": dict(meta),
                    "roleRef": {"apiGroup": _API, "kind": kind, "name": name},
                    "subjects": [dict(one) for one in who],
                }
            )
    return objects
