# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""CAs that are there before ours: which are not ours, their copies, and the way back; and what cert-manager has written. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._errors import ConfigError
from .._model.fields import is_of, metadata_of, name_of, section, sections, texts
from .._model.malformed import title
from .._model.objects import LAYER, is_ours
from .._model.secrets_used import CA_SECRETS, CACERTS, CACERTS_ITEMS
from .._text import shown
from .cert_manager import GROUP

__all__ = ["certificates_for", "copies", "foreign", "misfits", "not_issued", "restored", "unready_issuers"]

Obj = Mapping[str, Any]
Objects = Iterable[Obj]
_LAYER = "certificates"
_ISSUED = "cert-manager.io/certificate-name"
_FROM, _TYPE = "mesh.meshops.io/saved-from", "mesh.meshops.io/saved-type"


def foreign(found: Objects, *, by_cert_manager: bool) -> list[Obj]:
    """The CAs of a control plane that this role has not made, or, where cert-manager makes it, that cert-manager has not issued."""
    return [one for one in found if name_of(one) in CA_SECRETS and not (_issued_as_itself(one) if by_cert_manager else _delivered(one))]


def _issued_as_itself(one: Obj) -> bool:
    return section(one, "metadata", "annotations").get(_ISSUED) == name_of(one)


def _delivered(one: Obj) -> bool:
    return is_ours(one) and section(one, "metadata", "labels").get(LAYER) == _LAYER


def copies(found: Objects, namespace: str, *, by_cert_manager: bool) -> list[dict[str, Any]]:
    """A Secret `NAME-saved` for each that is foreign. A copy that is there is older, and what it holds is what was there before us."""
    every = list(found)
    names = {name_of(one) for one in every}
    return [_copy(one, namespace) for one in foreign(every, by_cert_manager=by_cert_manager) if _saved(one) not in names]


def _saved(one: Obj) -> str:
    return f"{name_of(one)}-saved"


def _secret(name: str, namespace: str, kind: str, data: Mapping[str, Any], **notes: Mapping[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, **notes}
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "data": dict(data), "metadata": metadata}


def _copy(one: Obj, namespace: str) -> dict[str, Any]:
    return _secret(_saved(one), namespace, "Opaque", section(one, "data"), annotations={_FROM: name_of(one), _TYPE: _type(one)})


def _type(one: Obj) -> str:
    return str(one.get("type") or "Opaque")


def restored(saved: Objects, namespace: str) -> list[dict[str, Any]]:
    """The Secrets that copies() were made of. Raises ConfigError for one that does not say of what it is a copy."""
    found = []
    for one in saved:
        notes = texts(section(one, "metadata", "annotations"))
        if not notes.get(_FROM) or not notes.get(_TYPE):
            raise ConfigError(
                f"Secret {namespace}/{name_of(one)} has the labels of a saved CA, and not the annotations {_FROM} and {_TYPE}: "
                "it is no copy of ours; nothing was changed, take its labels away, or delete it"
            )
        found.append(_secret(notes[_FROM], namespace, notes[_TYPE], section(one, "data")))
    return found


def misfits(found: Objects, *, by_cert_manager: bool) -> list[str]:
    """Why a foreign cacerts cannot become ours by writing it: items that ours does not have, or a type, which cannot be changed.

    cert-manager makes its own from nothing."""
    reasons: list[str] = []
    for one in foreign(found, by_cert_manager=by_cert_manager):
        if name_of(one) == CACERTS:
            reasons += ["not issued by cert-manager"] if by_cert_manager else []
            reasons += [str(item) for item in section(one, "data") if item not in CACERTS_ITEMS]
            reasons += [_type(one)] if _type(one) != "Opaque" else []
    return reasons


def not_issued(secrets: Objects, mesh: str = "") -> list[Obj]:
    """Those that cert-manager has not written. mesh: those that are of this mesh do not count, either."""
    return [one for one in secrets if _ISSUED not in section(one, "metadata", "annotations") and not (mesh and is_ours(one, mesh))]


def certificates_for(certificates: Objects, objects: Objects) -> list[Obj]:
    """The Certificates whose Secret is among the objects."""
    ours = {(metadata_of(one, "namespace"), name_of(one)) for one in objects if is_of(one, "Secret", "")}
    return [one for one in certificates if (metadata_of(one, "namespace"), str(section(one, "spec").get("secretName") or "")) in ours]


def unready_issuers(answers: Iterable[Mapping[str, Any]]) -> list[str]:
    """Why issuers of cert-manager are not ready, a part of a sentence for each. answers: of mesh_objects_info, other kinds do not count."""
    reasons = []
    for answer in answers:
        query = section(answer, "query")
        if str(query.get("api_version")).partition("/")[0] == GROUP:
            name = title({"kind": query.get("kind"), "metadata": query})
            reason = _unready(sections(answer.get("resources")))
            reasons += [f"{name} {reason}"] if reason else []
    return reasons


def _unready(found: list[Obj]) -> str:
    if not found:
        return "does not exist"
    ready = next((one for one in sections(section(found[0], "status").get("conditions")) if one.get("type") == "Ready"), {})
    if ready.get("status") == "True":
        return ""
    reason, message = ready.get("reason", "no condition yet"), ready.get("message", "is the controller of cert-manager running?")
    return f"is not Ready ({shown(reason)}: {shown(message)})"
