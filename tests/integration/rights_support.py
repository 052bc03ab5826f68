# SPDX-License-Identifier: GPL-3.0-or-later
"""Rights for tests: a login that has the rendered roles and nothing else, and what the audit log says that it used."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from testbed import Bed
from travel_support import INVENTORY

__all__ = ["Accounts", "Use", "apply", "forbidden", "grant", "granted", "served", "taken", "unused", "used"]


class Use(NamedTuple):
    """A verb on a resource; the namespace is empty where the whole cluster is meant."""

    verb: str
    resource: str
    namespace: str = ""


# Rights that no request needs: admission asks for them when another object is written, which is the request that is looked for.
_BY_ADMISSION = {
    Use("update", "pods"): Use("create", "servicemeshmemberrolls.maistra.io"),  # the operator of OSSM 2, of each new member
    Use("use", "servicemeshcontrolplanes.maistra.io"): Use("create", "servicemeshmembers.maistra.io"),
    Use("create", "routes/custom-host.route.openshift.io"): Use("create", "routes.route.openshift.io"),  # OpenShift, of spec.host
    Use("update", "routes/custom-host.route.openshift.io"): Use("patch", "routes.route.openshift.io"),
    # the API server asks for both when a GET opens a stream
    Use("create", "pods/exec"): Use("get", "pods/exec"),
    Use("create", "pods/portforward"): Use("get", "pods/portforward"),
}


def apply(bed: Bed, what: Iterable[Path | dict[str, Any]]) -> None:
    """Files below a folder, or objects, as an administrator."""
    texts = [
        text
        for one in what
        for text in ([json.dumps(one)] if isinstance(one, dict) else [path.read_text(encoding="utf-8") for path in _files(one)])
    ]
    assert texts
    done = bed.kubectl("apply", "-f", "-", stdin="\n---\n".join(texts))
    assert done.returncode == 0, done.stderr


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.yaml") if path.name != "kustomization.yaml")


def taken(folder: Path, rights: set[Use]) -> list[dict[str, Any]]:
    """The rendered roles without some rights."""
    found = []
    for obj in _objects(folder):
        place = obj["metadata"].get("namespace", "")
        rules = [
            {**rule, "resources": [plural], "verbs": verbs}
            for rule in obj["rules"]
            for plural in rule["resources"]
            if (verbs := [verb for verb in rule["verbs"] if Use(verb, _resource(plural, rule["apiGroups"][0]), place) not in rights])
        ]
        found.append({**obj, "rules": rules})
    return found


def _resource(plural: str, group: str) -> str:
    return f"{plural}.{group}".rstrip(".")


def _objects(folder: Path) -> list[dict[str, Any]]:
    """ClusterRoles and Roles."""
    return [
        obj
        for path in _files(folder)
        for obj in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if obj["kind"] in ("ClusterRole", "Role")
    ]


def served(bed: Bed) -> set[str]:
    """Every kind of the API."""
    return {*bed.kubectl("api-resources", "-o", "name").stdout.split()}


def grant(bed: Bed, playbook: Callable[..., Any], user: str, family: str, folder: Path, **given: Any) -> Path:
    """Renders the roles of a family as files, applies them as an administrator, and gives the kubeconfig of who has them."""
    extra = {
        **given.pop("extra_vars"),
        "mesh_rights_families": family,
        "mesh_rights_subjects": [{"kind": "User", "name": user}],
        "mesh_target": "files",
        "mesh_output": str(folder),
    }
    playbook("meshops.mesh.render_rights", bed=bed, extra_vars=extra, **given).check()
    apply(bed, [folder])
    return bed.user_kubeconfig(user)


def granted(folder: Path) -> set[Use]:
    """What the rendered roles allow."""
    return {
        Use(verb, _resource(plural, group), obj["metadata"].get("namespace", ""))
        for obj in _objects(folder)
        for rule in obj["rules"]
        for verb in rule["verbs"]
        for plural in rule["resources"]
        for group in rule["apiGroups"]
    }


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


def _request(right: Use) -> Use:
    """By what it is seen that a right was needed."""
    plain = Use(right.verb, right.resource)
    return Use("create", right.resource) if right.verb in ("escalate", "bind") else _BY_ADMISSION.get(plain, plain)


def _base(resource: str) -> str:
    """Without a subresource."""
    plural, dot, group = resource.partition(".")
    return plural.partition("/")[0] + dot + group


def unused(rights: Iterable[Use], uses: set[Use], kinds: set[str]) -> list[Use]:
    """Rights that nothing asked for, of kinds that the cluster has. A request in one namespace counts for all of them: one mesh does
    not have every kind of thing in each of its namespaces. Which kinds of a group an operator has is its own word (`*.example.com`)."""
    anywhere = {Use(use.verb, use.resource) for use in uses}
    return sorted(right for right in rights if _base(right.resource) in kinds and _request(right) not in anywhere)


def forbidden(events: Iterable[dict[str, Any]], user: str) -> list[str]:
    """Requests that were refused for want of a right."""
    return sorted(
        {
            f"{event['verb']} {event['requestURI'].partition('?')[0]}"
            for event in _mine(events, user)
            if (event.get("annotations") or {}).get("authorization.k8s.io/decision") == "forbid"
        }
    )


@dataclass
class Accounts:
    """Accounts of one mesh that have the rendered roles of a family each, and what they asked for."""

    bed: Bed
    run: Callable[..., Any]
    folder: Path
    vars: dict[str, Any]
    accounts: dict[str, Path] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)

    def play(self, playbook: str | Path, *args: str, account: str = "", **more: Any) -> Any:
        return self.run(
            playbook,
            *args,
            bed=self.bed,
            inventory=INVENTORY,
            kubeconfig=self.accounts.get(account),
            extra_vars={**self.vars, **more},
            timeout=1800,
        )

    def account(self, family: str, *works: str, **more: Any) -> str:
        """Who has the roles of a family, or of these works of it; whoever had some of the family before has them no more."""
        user = "-".join(("rights", *family.split(","), *works))
        self.accounts[user] = grant(
            self.bed,
            self.run,
            user,
            family,
            self.folder / user,
            inventory=INVENTORY,
            extra_vars={**self.vars, "rights_works": [*works], **more},
        )
        self.marks[user] = self.bed.mark()
        return user

    def uses(self, user: str) -> set[Use]:
        """What an account asked for, none of which was refused."""
        events = list(self.bed.audit(self.marks[user]))
        refused = forbidden(events, user)
        assert not refused, f"{user}: {refused}"
        return used(events, user)

    def proven(self, *users: str) -> set[Use]:
        """What these accounts asked for, which is all that they may and nothing else."""
        kinds, uses = served(self.bed), set[Use]().union(*map(self.uses, users))
        rights = set[Use]().union(*(granted(self.folder / user) for user in users))
        idle = unused(rights, uses, kinds)
        assert rights and not idle, f"{users}: {idle}"
        assert unused({*rights, Use("watch", "pods")}, uses, kinds) == [Use("watch", "pods")], "one too many is seen"
        return uses
