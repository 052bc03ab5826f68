# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What Istio's versions do differently, as named abilities. A mesh without a version is taken to be of the newest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["NEWEST", "Abilities", "abilities", "parse_version"]

NEWEST = (1, 32, 0)
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:[-+_].*)?")
# The patch release of each minor that has a security fix; newer minors have it from the start.
_HEADERS_ONE_BY_ONE = {27: 8, 28: 5, 29: 1}
_ACCOUNTS_QUOTED = {27: 9, 28: 6, 29: 2}
_PORTS_MERGED = {22: 8, 23: 5, 24: 3}
_AMBIENT_REVISIONS = {25: 4, 26: 3}


@dataclass(frozen=True)
class Abilities:
    """What one version of Istio, with the Envoy and the ztunnel of its release, can do."""

    path_templates: bool = True  # {*} and {**}; before, literal text
    target_refs: bool = True  # before, an unknown field that is dropped: the policy covers its namespace
    service_entry_targets: bool = True  # before, a targetRef to a ServiceEntry attached to nothing
    gateway_class_targets: bool = True  # before, a targetRef to a GatewayClass attached to nothing
    gateway_namespace: bool = True  # before, a root policy with a targetRef attached to Gateways of that name in all namespaces
    custom_dry_run_denies: bool = True  # before, CUSTOM in dry run did nothing
    service_accounts: bool = True  # before, an unknown field that is dropped
    trust_domains: bool = True  # before, an unknown field that is dropped
    accounts_quoted: bool = True  # before, a dot in a service account matched any character
    headers_one_by_one: bool = True  # before, repeated headers were joined by a comma
    envoy_jwt: bool = True  # before, request.auth.* came from Istio's own filter: "iss/sub" is one string, every claim split on blanks
    ztunnel_dry_run: bool = True  # before, ztunnel knew no dry run, whatever istiod's environment says
    dry_run_withheld: bool = True  # before, istiod sent ztunnel a dry-run policy like any other, and it was enforced
    ambient_ports_merged: bool = True  # before, what a PeerAuthentication says of its ports was one rule, without what it inherits
    ambient_revisions: bool = True  # before, istiod sent ztunnel the objects of every revision


def parse_version(text: str | None) -> tuple[int, int, int]:
    """`1.24`, `v1.24.3`, `1.32-dev`; nothing and `latest` are the newest; ValueError for anything else."""
    if not text or text == "latest":
        return NEWEST
    found = _VERSION.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a version of Istio; write it as 1.24 or 1.24.3")
    return int(found[1]), int(found[2]), int(found[3] or 0)


def _fixed(version: tuple[int, int, int], patches: dict[int, int]) -> bool:
    """Does this version have a fix that was made in these patch releases?"""
    if version[0] != 1:
        return version[0] > 1
    return version[1] > max(patches) or (version[1] in patches and version[2] >= patches[version[1]])


@lru_cache(maxsize=64)
def abilities(text: str | None) -> Abilities:
    """The abilities of the version that `text` names."""
    version = parse_version(text)
    return Abilities(
        path_templates=version >= (1, 22, 0),
        target_refs=version >= (1, 22, 0),
        service_entry_targets=version >= (1, 24, 0),
        gateway_class_targets=version >= (1, 25, 0),
        gateway_namespace=version >= (1, 25, 0),
        custom_dry_run_denies=version >= (1, 30, 0),
        service_accounts=version >= (1, 25, 0),
        trust_domains=version >= (1, 31, 0),
        accounts_quoted=_fixed(version, _ACCOUNTS_QUOTED),
        headers_one_by_one=_fixed(version, _HEADERS_ONE_BY_ONE),
        envoy_jwt=version >= (1, 21, 0),
        ztunnel_dry_run=version >= (1, 29, 0),
        dry_run_withheld=version >= (1, 25, 2),
        ambient_ports_merged=_fixed(version, _PORTS_MERGED),
        ambient_revisions=_fixed(version, _AMBIENT_REVISIONS),
    )
