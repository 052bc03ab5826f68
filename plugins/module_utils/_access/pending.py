# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A stage that is delivered and not proven yet, as a ConfigMap remembers it: a run that dies before its probes leaves the way back.

It has policies only, no secret. What is read back is taken for what it may be: kinds of an access, nothing else.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from .._errors import ConfigError
from .._model.objects import Ref, group_of, is_ours
from .._text import shown

__all__ = ["LAYER", "pending_name", "recall", "remember"]

LAYER = "access_pending"
_ITEM = "before.json.gz"
_LARGEST = 64 * 2**20
_KINDS = {
    "AuthorizationPolicy": "security.istio.io",
    "PeerAuthentication": "security.istio.io",
    "RequestAuthentication": "security.istio.io",
    "DestinationRule": "networking.istio.io",
    "Sidecar": "networking.istio.io",
}
Obj = dict[str, Any]


def pending_name(mesh: str) -> str:
    """Of the ConfigMap, in the namespace of the control plane."""
    return f"access-pending-{mesh}"


def remember(stage: Mapping[str, Any], *, mesh: str, namespace: str, layer: str) -> Obj:
    """What is to be on the cluster before the stage is."""
    before = {name: list(stage[name]) for name in ("saved", "made", "policies")}
    text = json.dumps(before, sort_keys=True, separators=(",", ":")).encode()
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": pending_name(mesh), "namespace": namespace},
        "data": {"stage": stage["name"], "layer": layer, "about": "What was there before this stage, which is not proven yet."},
        "binaryData": {_ITEM: base64.b64encode(gzip.compress(text, mtime=0)).decode()},
    }


def recall(found: Mapping[str, Any] | None, live: Iterable[Mapping[str, Any]], *, mesh: str, cluster: str) -> Obj | None:
    """The stage that a run left unproven: name, layer, `saved` and `made` for the way back, and those of its policies that are there."""
    if found is None or not is_ours(found, mesh):
        return None
    where = f"cluster {cluster}: ConfigMap {found['metadata'].get('namespace')}/{found['metadata']['name']}"
    data = found.get("data") or {}
    try:
        unpacked = zlib.decompressobj(wbits=31)
        text = unpacked.decompress(base64.b64decode(str((found.get("binaryData") or {})[_ITEM]), validate=True), _LARGEST)
        before = json.loads(text)
        saved, made, policies = (list(before[name]) for name in ("saved", "made", "policies"))
        stage, layer = str(data["stage"]), str(data["layer"])
        strange = [ref for ref in map(Ref.of, (*saved, *made)) if _KINDS.get(ref.kind) != group_of(ref.api_version) or not ref.namespace]
        there = {(one["metadata"].get("namespace"), one["metadata"]["name"]) for one in live if one.get("kind") == "AuthorizationPolicy"}
        known = [one for one in policies if (one["namespace"], one["name"]) in there]
    except (KeyError, TypeError, ValueError, AttributeError, EOFError, OSError, zlib.error) as exc:
        raise ConfigError(
            f"{where} remembers a stage that is not proven, and cannot be read ({type(exc).__name__}); look at the access "
            "of the mesh with check_access, then delete it and run this again"
        ) from exc
    if strange:
        raise ConfigError(f"{where} remembers {strange[0]}, which no stage of an access has; find out who wrote it, then delete it")
    return {"name": shown(stage), "layer": layer, "saved": saved, "made": made, "policies": known}
