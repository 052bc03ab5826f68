# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What an inventory says of a mesh's certificates, read once. Entries may hold keys and passphrases: no message has a value of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from .._errors import ConfigError

__all__ = ["CertificateIntent", "Entry", "flag", "given", "number"]

Entry = Mapping[str, Any]


@dataclass(frozen=True, repr=False)
class CertificateIntent:
    """The variables `certificates_*` of a role, without their prefix. It has no repr, so that no key comes into a message."""

    mesh: str
    namespace: str  # of the control plane
    provider: str = "own_ca"  # own_ca | pem | cert_manager
    target: str = "cluster"  # cluster | files | plan
    generation: str = "ossm3"  # ossm2 | ossm3 | sail
    version: str = ""  # of Istio
    renew_at: float = 0.66  # the fraction of a life after which a certificate is renewed
    control_plane: Entry = field(default_factory=dict)
    root: Entry = field(default_factory=dict)
    edge_root: Entry = field(default_factory=dict)
    authority: Entry = field(default_factory=dict)
    cert_manager: Entry = field(default_factory=dict)
    gateways: Sequence[Entry] = ()
    clients: Sequence[Entry] = ()
    trust: Sequence[Entry] = ()
    extra_roots: Sequence[str] = ()
    members: Sequence[str] = ()

    @classmethod
    def of(cls, variables: Mapping[str, Any]) -> CertificateIntent:
        """Raises ConfigError for what is not of its type."""
        texts = {name: str(variables[name]) for name in ("provider", "target", "generation", "version") if given(variables, name)}
        return cls(
            mesh=str(variables.get("mesh") or ""),
            namespace=str(_map(variables, "control_plane").get("namespace") or ""),
            renew_at=number(variables, "renew_at", 0.66, "certificates"),
            control_plane=_map(variables, "control_plane"),
            root=_map(variables, "root"),
            edge_root=_map(variables, "edge_root"),
            authority=_map(variables, "authority"),
            cert_manager=_map(variables, "cert_manager"),
            gateways=_entries(variables, "gateways"),
            clients=_entries(variables, "clients"),
            trust=_entries(variables, "trust"),
            extra_roots=_texts(variables, "extra_roots"),
            members=_texts(variables, "members"),
            **texts,
        )

    @property
    def root_name(self) -> str:
        return str(self.root.get("name") or "root")

    @property
    def edge_name(self) -> str:
        return str(self.edge_root.get("name") or "edge-root")

    @property
    def authority_name(self) -> str:
        return str(self.authority.get("name") or self.mesh)

    @property
    def istiod_name(self) -> str:
        """The name that the CA of istiod has when the inventory gives it none."""
        return f"istiod.{self.namespace}.svc"

    @property
    def has_authority(self) -> bool:
        """Whether istiod gets a CA: where the intent says anything of one. An empty map and null say nothing."""
        said = any(given(one, name) for one in (self.authority, self.root) for name in one)
        said = said or (self.by_cert_manager and given(self.cert_manager, "issuer"))
        return flag(self.authority, "enabled", default=said)

    @property
    def by_cert_manager(self) -> bool:
        return self.provider == "cert_manager"

    @property
    def leaves(self) -> list[Entry]:
        """Gateways and clients."""
        return [*self.gateways, *self.clients]

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The mesh's CA, then gateways, then clients, each with its name and what it is for: its role authority, gateway or client."""
        own = [{**self.authority, "name": self.authority_name, "role": "authority"}] if self.has_authority else []
        return [*own, *({**one, "role": "gateway"} for one in self.gateways), *({**one, "role": "client"} for one in self.clients)]

    def namespace_of(self, entry: Entry) -> str:
        return str(entry.get("namespace") or self.namespace)


def given(entry: Entry, name: str) -> bool:
    """Whether it is said; a null says nothing."""
    return entry.get(name) is not None


def flag(entry: Entry, name: str, *, default: bool = False) -> bool:
    """A switch, as Ansible reads one."""
    return bool(boolean(entry[name], strict=False)) if given(entry, name) else default


def number(entry: Entry, name: str, default: float, whose: str) -> float:
    """A number, which may be written as text. Raises ConfigError."""
    try:
        return float(entry[name]) if given(entry, name) else default
    except (TypeError, ValueError):
        raise ConfigError(f"{whose}: {name} is no number") from None


def _map(variables: Mapping[str, Any], name: str) -> Entry:
    value = variables.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name} must be a map, found {type(value).__name__}")
    return value


def _list(variables: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = variables.get(name)
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigError(f"{name} must be a list, found {type(value).__name__}")
    return value


def _entries(variables: Mapping[str, Any], name: str) -> tuple[Entry, ...]:
    found = tuple(_list(variables, name))
    wrong = [type(one).__name__ for one in found if not isinstance(one, Mapping)]
    if wrong:
        raise ConfigError(f"{name} must be a list of maps, found one of {wrong[0]}")
    if not all(given(one, "name") for one in found):
        raise ConfigError(f"{name}: each entry needs a name")
    return found


def _texts(variables: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(str(one) for one in _list(variables, name))
