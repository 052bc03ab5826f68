# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubeconfigs for people and service accounts of a bed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .api import Api
from .pki import Authority, kubeconfig, token_kubeconfig

__all__ = ["certificate", "service_account"]


def _file(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


def certificate(folder: Path, bed: dict[str, Any], name: str, groups: Iterable[str]) -> Path:
    authority = Authority(folder / "pki")
    pair = authority.issue(f"user-{_file(name)}", name, sorted(groups))
    return kubeconfig(
        folder / "users" / f"{_file(name)}.kubeconfig",
        name=bed["name"],
        server=bed["api"],
        ca=authority.pair.cert,
        user=name,
        pair=pair,
        embed=True,
    )


def service_account(folder: Path, bed: dict[str, Any], api: Api, namespace: str, name: str) -> Path:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    api.ensure(path, {"metadata": {"name": name}})
    review = api.create(
        f"{path}/{name}/token", {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    )
    return token_kubeconfig(
        folder / "users" / f"sa-{namespace}-{name}.kubeconfig",
        name=bed["name"],
        server=bed["api"],
        ca=folder / "pki" / "ca.crt",
        user=f"system:serviceaccount:{namespace}:{name}",
        token=review["status"]["token"],
        namespace=namespace,
    )
