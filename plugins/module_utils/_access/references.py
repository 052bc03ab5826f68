# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What mesh_access refers to, as far as the inventory alone says that it is not there. Workloads are looked up by resolve()."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from .._text import did_you_mean, quoted, shown
from .intent import AccessIntent, AccessRule

__all__ = ["access_references"]


def access_references(intent: AccessIntent, members: Collection[str], home: str) -> list[str]:
    """A sentence for each. members: namespaces of mesh_domains; home: that of the control plane, where gateways are."""
    inside = dict.fromkeys((*members, home))
    found = [
        f"mesh_access.namespaces: {quoted(name)} is no namespace of mesh_domains, so no proxy there would deny anything; "
        f"{did_you_mean(name, inside)}"
        for name in intent.namespaces
        if name not in inside
    ]
    found += [text for rule in (*intent.rules, *intent.never) for text in _of(rule, intent)]
    closed = {*intent.namespaces, home}
    for rule in intent.rules if intent.default_deny else ():
        found += [
            f"{rule.name}.to: {quoted(entry)} is in the namespace {shown(space)}, which is not closed (by mesh_access.namespaces, "
            f"or without it mesh_domains); {did_you_mean(space, closed)}"
            for entry, space in _spaces(rule.targets)
            if space not in closed
        ]
    for entry in intent.close:
        found += _domain(entry, "mesh_access.close", intent)
    found += [
        f"mesh_access.mtls.exceptions: {quoted(one.target)} is none of the namespaces that are closed; "
        f"{did_you_mean(one.target.partition(':')[2], intent.namespaces)}"
        for one in intent.exemptions
        if one.target.startswith("namespace:") and one.target.partition(":")[2] not in intent.namespaces
    ]
    return found


def _of(rule: AccessRule, intent: AccessIntent) -> Iterator[str]:
    for field, named in (("from", rule.sources), ("to", rule.targets)):
        for entry in named:
            yield from _domain(entry, f"{rule.name}.{field}", intent)
    known = {issuer.name: issuer.issuer for issuer in intent.issuers}
    for entry in rule.tokens:
        issuer, slash, subject = entry.rpartition("/")
        if not slash or not subject or (issuer not in known and issuer not in known.values()):
            yield (
                f"{rule.name}.tokens: {quoted(entry)} is no ISSUER/SUBJECT of an issuer of mesh_access.issuers, so such a token "
                f"would not be checked; {did_you_mean(issuer, known)}"
            )


def _domain(entry: str, where: str, intent: AccessIntent) -> Iterator[str]:
    form, _colon, name = entry.partition(":")
    if form == "domain" and name not in intent.domains:
        yield f"{where}: {quoted(entry)} is no domain of mesh_domains; {did_you_mean(name, intent.domains)}"


def _spaces(entries: Collection[str]) -> Iterator[tuple[str, str]]:
    """Entries with the namespace that they name; a domain's and a gateway's are judged by themselves, a pattern by what it finds."""
    for entry in entries:
        form, colon, name = entry.partition(":")
        if form in ("domain", "gateway"):
            continue
        space = (name if colon else entry).partition("/")[0]
        if not any(mark in space for mark in "*?["):
            yield entry, space
