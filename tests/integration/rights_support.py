# SPDX-License-Identifier: GPL-3.0-or-later
"""Rights for tests: a login that has the rendered roles and nothing else, and what the audit log says that it used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from testbed import Bed

__all__ = ["Use", "forbidden", "grant", "granted", "unused", "used"]

# Verbs that admission asks for when a role or binding is written; no request has them.
_BY_ADMISSION = {"escalate": "create", "bind": "create"}


class Use(NamedTuple):
    """A verb on a resource; the namespace is empty where the whole cluster is meant."""

    verb: str
    resource: str
    namespace: str = ""


def grant(bed: Bed, playbook: Callable[..., Any], user: str, family: str, folder: Path, **given: Any) -> Path:
    """Renders the roles of a family as files, applies them as an administrator, and gives the kubeconfig of who has them."""
    extra = {**given.pop("extra_vars"), "mesh_rights_families": family, "mesh_rights_subjects": [{"kind": "User", "name": user}],
             "mesh_target": "files", "mesh_output": str(folder)}
    playbook("meshops.mesh.render_rights", bed=bed, extra_vars=extra, **given).check()
    files = sorted(path for path in folder.rglob("*.yaml") if path.name != "kustomization.yaml")
    assert files
    done = bed.kubectl("apply", *(part for path in files for part in ("-f", str(path))))
    assert done.returncode == 0, done.stderr
    return bed.user_kubeconfig(user)


def granted(folder: Path) -> set[Use]:
    """What the rendered roles allow."""
    found = set()
    for path in folder.rglob("*.yaml"):
        for obj in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if (obj or {}).get("kind") in ("ClusterRole", "Role"):
                found |= {Use(verb, f"{plural}.{group}".rstrip("."), obj["metadata"].get("namespace", "")) for rule in obj["rules"]
                          for verb in rule["verbs"] for plural in rule["resources"] for group in rule["apiGroups"]}
    return found


def _mine(events: Iterable[dict[str, Any]], user: str) -> list[dict[str, Any]]:
    return [event for event in events if event["user"]["username"] == user and event.get("stage") == "ResponseComplete"]


def used(events: Iterable[dict[str, Any]], user: str) -> set[Use]:
    """What somebody asked for. An apply that made the object has asked for create as well."""
    found = set()
    for event in _mine(events, user):
        target = event.get("objectRef") or {}
        if not target.get("resource"):
            continue
        plural = target["resource"] + (f"/{target['subresource']}" if target.get("subresource") else "")
        resource = f"{plural}.{target.get('apiGroup', '')}".rstrip(".")
        namespace = "" if target["resource"] == "namespaces" else target.get("namespace", "")
        made = event["verb"] == "patch" and event["responseStatus"]["code"] == 201
        found |= {Use(verb, resource, namespace) for verb in (event["verb"], *(["create"] if made else []))}
    return found


def unused(rights: Iterable[Use], uses: set[Use], served: set[str]) -> list[Use]:
    """Rights that nothing asked for, of kinds that the cluster has. A request in one namespace counts for all of them: one mesh does
    not have every kind of thing in each of its namespaces."""
    anywhere = {(use.verb, use.resource) for use in uses}
    return sorted(right for right in rights if right.resource in served
                  and (_BY_ADMISSION.get(right.verb, right.verb), right.resource) not in anywhere)


def forbidden(events: Iterable[dict[str, Any]], user: str) -> list[str]:
    """Requests that were refused for want of a right."""
    return sorted({f"{event['verb']} {event['requestURI'].partition('?')[0]}" for event in _mine(events, user)
                   if (event.get("annotations") or {}).get("authorization.k8s.io/decision") == "forbid"})
