# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Checks of the control_plane category about hardening: paths before policies, versions and cipher suites of TLS, tokens of
proxies, calls out of the mesh."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._checks.types import Options
from .._model import kinds as k
from .._model.fields import entries, section, sections
from .._model.intent import Intent
from .._model.istiods import READS, istiods_of_mesh
from .._model.mesh_config import MeshConfig
from .._model.problem import Problem, Severity, skip
from .._model.tls_names import CIPHER_SUITES, weak
from .._model.view import Obj, View
from .._text import shortened
from .checks import CATEGORY

check = CATEGORY.check

__all__: list[str] = []

_SAFE = "DECODE_AND_MERGE_SLASHES"
_OLD = ("TLSV1_0", "TLSV1_1")
_SMCP_OLD = ("TLSv1_0", "TLSv1_1")
_FIRST = "first-party-jwt"
_SHOWN = 3


def _where(config: MeshConfig) -> str:
    """The object that says the settings, as people change it."""
    return config.sources[0] if config.sources else f"istiod {config.name}"


# paths


@check(
    "OSM1219",
    title="policies that refuse paths see every spelling of them",
    hint="set path_normalization of mesh_control_plane to DECODE_AND_MERGE_SLASHES (proxies follow at once), or allow by path instead",
    severity=Severity.WARNING,
    inputs=(k.AUTHORIZATION_POLICY, *READS),
    live=False,
    subjects=(k.AUTHORIZATION_POLICY,),
)
def paths_normalized(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A policy compares the path as the proxy has normalized it. Istio's default leaves // and %2F as they are, and many applications do
    not: what DENY names for /admin is open as //admin. A policy that allows paths fails the other way and is safe."""
    found = ((row, _refused_paths(row)) for row in intent.owned(view.of(k.AUTHORIZATION_POLICY)))
    policies = [(row, paths) for row, paths in found if paths]
    if not policies:
        return
    configs = istiods_of_mesh(view, intent)
    if not configs:
        yield skip("the source has no control plane, so what proxies make of paths is not known")
        return
    for config in configs:
        if not config.known and not config.path_normalization and not config.sources:
            continue
        kept = config.path_normalization or "BASE"
        if kept == _SAFE:
            continue
        for row, paths in policies:
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


@check(
    "OSM1220",
    title="each TLS setting asks for 1.2 or newer, and for strong cipher suites",
    hint="correct minProtocolVersion and cipherSuites; tls_cipher_suites and min_tls_version of mesh_control_plane set both for the mesh",
    severity=Severity.WARNING,
    inputs=(k.GATEWAY, *READS),
    live=False,
    subjects=(k.GATEWAY, *READS),
)
def tls_strict(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """TLS 1.0 and 1.1 are broken, and a suite without ECDHE lets whoever gets the key one day read what was recorded before. Istio leaves
    out names of suites that it does not know, and where none is left it takes its default without a word."""
    wanted, planes = str((intent.control_plane or {}).get("min_tls_version") or "").upper(), _smcp(view, intent)
    for config in istiods_of_mesh(view, intent):
        for part in ("meshMTLS", "tlsDefaults"):
            said = section(config.settings, part)
            yield from _suites(_where(config), f"meshConfig.{part}.cipherSuites", entries(said.get("cipherSuites")))
        found = str(section(config.settings, "meshMTLS").get("minProtocolVersion") or "TLS_AUTO")
        if config.known and not config.ossm2 and wanted == "TLSV1_3" and found != wanted and not planes:
            yield Problem(
                _where(config), f"workloads accept TLS 1.2 (meshConfig.meshMTLS.minProtocolVersion is {found}), {wanted} is wanted"
            )
    for smcp in planes:
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


@check(
    "OSM1221",
    title="no proxy shows istiod the token of its account",
    hint="set tokens of mesh_control_plane to third_party, then restart the workloads wave by wave (meshops.mesh.restart_data_plane)",
    severity=Severity.WARNING,
    inputs=READS,
    live=False,
    intent=("control_plane",),
)
def tokens_bound(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The token of an account is good for the whole API and does not end with the pod: who reads it in a container has the identity in the
    mesh and in the cluster. A third-party token has istiod for its audience and an hour to live."""
    planes = _smcp(view, intent)
    for smcp in planes:
        kind = smcp.at("spec", "security", "identity", "type")
        kind = kind or smcp.at("status", "appliedSpec", "security", "identity", "type")
        if kind == "Kubernetes":
            yield Problem(smcp.ref, "spec.security.identity.type is Kubernetes: each proxy shows istiod the token of its account")
        elif not kind and str((intent.control_plane or {}).get("tokens")) == "third_party":
            yield Problem(smcp.ref, "spec.security.identity.type is not set, and mesh_control_plane.tokens asks for third_party")
    for config in () if planes else istiods_of_mesh(view, intent):
        if config.flags.get("JWT_POLICY") == _FIRST:
            yield Problem(f"istiod {config.name}", f"its JWT_POLICY is {_FIRST}: each proxy shows it the token of its account")


# calls out of the mesh

_ONLY = "REGISTRY_ONLY"


@check(
    "OSM1222",
    title="no proxy lets out what mesh_control_plane closes",
    hint="see what would be cut with the playbook meshops.mesh.check_outbound, then deliver the control plane; Sidecars need no policy",
    severity=Severity.WARNING,
    inputs=(k.SIDECAR, *READS),
    live=False,
    intent=("control_plane",),
)
def outbound_closed(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """With ALLOW_ANY a proxy lets its application call every address, registered or not. The policy of a Sidecar takes the place of the
    mesh's for its namespace, so one line there opens it again."""
    if (intent.control_plane or {}).get("outbound_traffic") != _ONLY:
        return
    for config in istiods_of_mesh(view, intent):
        mode = section(config.settings, "outboundTrafficPolicy").get("mode")
        if mode != _ONLY and (mode or config.known or config.sources):
            said = f"outboundTrafficPolicy is {mode}" if mode else "it sets no outboundTrafficPolicy, which is ALLOW_ANY"
            yield Problem(_where(config), f"{said}, and mesh_control_plane.outbound_traffic asks for {_ONLY}")
    for sidecar in intent.owned(view.of(k.SIDECAR)):
        mode = sidecar.at("spec", "outboundTrafficPolicy", "mode")
        if mode and mode != _ONLY:
            yield Problem(
                sidecar.ref, f"spec.outboundTrafficPolicy.mode is {mode}: its workloads call every address, whatever the mesh says"
            )
