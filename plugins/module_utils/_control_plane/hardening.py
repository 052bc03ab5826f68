# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What of a mesh's hardening is not there: paths before policies, versions and cipher suites of TLS, tokens of proxies. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._model import kinds as k
from .._model.fields import entries, section, sections
from .._model.intent import Intent
from .._model.istiods import istiods
from .._model.mesh_config import MeshConfig
from .._model.problem import Problem, skip
from .._model.tls_names import CIPHER_SUITES, weak
from .._model.view import Obj, View
from .._text import shortened

__all__ = ["lenient_tls", "paths_as_written", "reusable_tokens"]

_SAFE = "DECODE_AND_MERGE_SLASHES"
_OLD = ("TLSV1_0", "TLSV1_1")
_SMCP_OLD = ("TLSv1_0", "TLSv1_1")
_FIRST = "first-party-jwt"
_SHOWN = 3


def _own(view: View, intent: Intent) -> list[MeshConfig]:
    """The istiods of the mesh; all of the source where no control plane is named."""
    return [one for one in istiods(view) if not intent.namespace or one.namespace in ("", intent.namespace)]


def _where(config: MeshConfig) -> str:
    """The object that says the settings, as people change it."""
    return config.sources[0] if config.sources else f"istiod {config.name}"


# paths


def paths_as_written(view: View, intent: Intent) -> Iterator[Problem]:
    """Each policy that refuses by path, while the proxies leave other spellings of the path as they are."""
    policies = [row for row in intent.owned(view.of(k.AUTHORIZATION_POLICY)) if _refused_paths(row)]
    if not policies:
        return
    configs = _own(view, intent)
    if not configs:
        yield skip("the source has no control plane, so what proxies make of paths is not known")
        return
    for config in configs:
        if not config.known and not config.path_normalization and not config.sources:
            continue
        kept = config.path_normalization or "BASE"
        if kept == _SAFE:
            continue
        for row in policies:
            paths = _refused_paths(row)
            yield Problem(row.ref, _spelt(row, paths, kept, config))


def _refused_paths(policy: Obj) -> list[str]:
    """The paths that a policy is there to refuse: `paths` of DENY, `notPaths` of ALLOW."""
    action = str(policy.at("spec", "action", default="ALLOW"))
    field = {"DENY": "paths", "ALLOW": "notPaths"}.get(action, "")
    operations = [section(to, "operation") for rule in sections(policy.items("spec", "rules")) for to in sections(rule.get("to"))]
    found = [str(path) for one in operations for path in entries(one.get(field))] if field else []
    # Anything below / is refused however it is spelt; with a template a segment is any text without a slash.
    return list(dict.fromkeys(path for path in found if path.strip("/*")))


def _spelt(policy: Obj, paths: list[str], kept: str, config: MeshConfig) -> str:
    example = next((path for path in paths if path.startswith("/")), paths[0])
    bare = example.strip("*/") or example
    others = [f"/%2F{bare}"] if kept == "MERGE_SLASHES" else [f"//{bare}", f"/%2F{bare}"]
    verb = "refuses" if policy.at("spec", "action") == "DENY" else "leaves out"
    return (
        f"it {verb} {shortened(paths, _SHOWN)}, and not {' or '.join(others)}: proxies normalize paths by {kept} ({_where(config)}), "
        "and an application may take them for the same"
    )


# TLS


def lenient_tls(view: View, intent: Intent) -> Iterator[Problem]:
    """Versions before 1.2, cipher suites that are weak or that nobody knows, and servers below what the mesh asks for."""
    plane = intent.control_plane or {}
    wanted = str(plane.get("min_tls_version") or "").upper()
    for config in _own(view, intent):
        for part in ("meshMTLS", "tlsDefaults"):
            said = section(config.settings, part)
            yield from _suites(_where(config), f"meshConfig.{part}.cipherSuites", entries(said.get("cipherSuites")))
        found = str(section(config.settings, "meshMTLS").get("minProtocolVersion") or "TLS_AUTO")
        if config.known and not config.ossm2 and wanted == "TLSV1_3" and found != wanted and not _smcp(view, intent):
            yield Problem(
                _where(config), f"workloads accept TLS 1.2 (meshConfig.meshMTLS.minProtocolVersion is {found}), {wanted} is wanted"
            )
    for smcp in _smcp(view, intent):
        low = smcp.at("spec", "security", "controlPlane", "tls", "minProtocolVersion")
        if low in _SMCP_OLD:
            yield Problem(smcp.ref, f"spec.security.controlPlane.tls.minProtocolVersion is {low}: workloads accept a TLS that is broken")
        elif wanted == "TLSV1_3" and str(low).upper() != wanted:
            yield Problem(smcp.ref, f"spec.security.controlPlane.tls.minProtocolVersion is {low or 'not set'}, TLSv1_3 is wanted")
    for gateway in intent.owned(view.of(k.GATEWAY)):
        for number, server in enumerate(sections(gateway.items("spec", "servers"))):
            yield from _server(gateway, number, section(server, "tls"), wanted)


def _smcp(view: View, intent: Intent) -> list[Obj]:
    rows = view.of(k.SMCP)
    return [row for row in rows if not intent.namespace or row.namespace == intent.namespace]


def _server(gateway: Obj, number: int, tls: Mapping[str, Any], wanted: str) -> Iterator[Problem]:
    field = f"spec.servers[{number}].tls"
    low = str(tls.get("minProtocolVersion") or "TLS_AUTO")
    if tls.get("mode") not in ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL"):
        return  # it passes TLS on, or there is none
    if low in _OLD:
        yield Problem(gateway.ref, f"{field}.minProtocolVersion is {low}: it answers in a TLS that is broken")
    elif wanted == "TLSV1_3" and low == "TLSV1_2":
        yield Problem(gateway.ref, f"{field}.minProtocolVersion is TLSV1_2, below the TLSV1_3 of mesh_control_plane.min_tls_version")
    yield from _suites(gateway.ref, f"{field}.cipherSuites", entries(tls.get("cipherSuites")))


def _suites(where: str, field: str, found: Iterable[Any]) -> Iterator[Problem]:
    names = [str(one) for one in found]
    if not names or names == ["ALL"]:
        return
    unknown = [one for one in names if one not in CIPHER_SUITES and one[:1].isalnum()]
    if unknown:
        rest = "all of them, so it takes the default" if len(unknown) == len(names) else "them"
        yield Problem(where, f"{field} has {shortened(unknown, _SHOWN)}, which Istio does not know: it leaves out {rest}")
    for one in names:
        if weak(one):
            yield Problem(where, f"{field} has {one}: {weak(one)}")


# tokens


def reusable_tokens(view: View, intent: Intent) -> Iterator[Problem]:
    """A mesh whose proxies show the token of their account."""
    for smcp in _smcp(view, intent):
        kind = smcp.at("spec", "security", "identity", "type")
        kind = kind or smcp.at("status", "appliedSpec", "security", "identity", "type")
        if kind == "Kubernetes":
            yield Problem(smcp.ref, "spec.security.identity.type is Kubernetes: each proxy shows istiod the token of its account")
        elif not kind and str((intent.control_plane or {}).get("tokens")) == "third_party":
            yield Problem(smcp.ref, "spec.security.identity.type is not set, and mesh_control_plane.tokens asks for third_party")
    named = bool(_smcp(view, intent))
    for config in _own(view, intent):
        if not named and config.flags.get("JWT_POLICY") == _FIRST:
            yield Problem(f"istiod {config.name}", f"its JWT_POLICY is {_FIRST}: each proxy shows it the token of its account")
