# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Login to OpenShift by user and password: what is meant by it, what is wrong with it, why it failed. Nothing here asks a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .._text import shown

__all__ = ["OpenShiftLogin", "failure", "kubeconfig", "login_of", "logout_failure"]

_KEYS = ("host", "username", "password", "ca_cert")
# With one of these every module logs in by itself, and our token would not be used.
_OTHERS = ("K8S_AUTH_API_KEY", "K8S_AUTH_USERNAME", "K8S_AUTH_CERT_FILE")
_LIBRARIES = ("requests-oauthlib", "requests", "urllib3")


@dataclass(frozen=True, repr=False)  # it has a password
class OpenShiftLogin:
    """Where to log in and as whom; refusals: why not."""

    host: str
    username: str
    password: str
    ca_cert: str
    refusals: tuple[str, ...]


def login_of(given: Any, *, kubeconfig: str, context: str, environment: Mapping[str, str]) -> OpenShiftLogin:
    """The login that mesh_openshift_login means; host and CA may come from the environment. The refusals quote no secret."""
    if not isinstance(given, Mapping):
        return OpenShiftLogin("", "", "", "", ("mesh_openshift_login is not a dictionary of host, username, password and ca_cert",))
    wrong = [f"mesh_openshift_login.{key} is not a text" for key in _KEYS if not isinstance(given.get(key, ""), str)]
    wrong += [f"mesh_openshift_login has no {key!r}; it has {', '.join(_KEYS)}" for key in map(str, given) if key not in _KEYS]
    host, username, password, ca_cert = ("" if wrong else given.get(key, "") for key in _KEYS)
    host, ca_cert = (host or environment.get("K8S_AUTH_HOST", "")).rstrip("/"), ca_cert or environment.get("K8S_AUTH_SSL_CA_CERT", "")
    if not wrong:
        if not host:
            wrong.append("mesh_openshift_login.host is not set, nor is K8S_AUTH_HOST; it is the address of the API server")
        elif urlsplit(host).scheme != "https":
            wrong.append(f"mesh_openshift_login.host is {shown(host)}, and a password goes to an address with https:// only")
        wrong += [f"mesh_openshift_login.{key} is not set" for key, value in (("username", username), ("password", password)) if not value]
    others = [name for name, value in (("mesh_kubeconfig", kubeconfig), ("mesh_context", context)) if value]
    others += [name for name in _OTHERS if environment.get(name)]
    if others:
        wrong.append(f"{' and '.join(others)} and mesh_openshift_login are two logins; set one of them only")
    return OpenShiftLogin(host, username, password, ca_cert, tuple(wrong))


def kubeconfig(*, host: str, ca_cert: str, token: str) -> dict[str, Any]:
    """A kubeconfig with the token; the CA is a path."""
    cluster = {"server": host, **({"certificate-authority": ca_cert} if ca_cert else {})}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "session",
        "contexts": [{"name": "session", "context": {"cluster": "session", "user": "session"}}],
        "clusters": [{"name": "session", "cluster": cluster}],
        "users": [{"name": "session", "user": {"token": token}}],
    }


def failure(answer: Mapping[str, Any], *, cluster: str, host: str, username: str) -> str:
    """Why community.okd.openshift_auth gave no token."""
    said, status = str(answer.get("msg") or "no reason"), answer.get("req_status_code")
    where = f"cluster {shown(cluster)}: login at {shown(host)} as {shown(username)}: "
    if status == 401:
        return where + "the OAuth server refuses this user or password (401); correct mesh_openshift_login"
    if said.startswith("Couldn't find OpenShift's OAuth API"):
        return where + (
            f"the server has no OAuth server of OpenShift ({status}); it is another Kubernetes, or its users come from an external "
            "provider: log in by a token (K8S_AUTH_API_KEY) or a kubeconfig"
        )
    if any(f"python '{name}'" in said for name in _LIBRARIES):
        return where + f"{shown(said)}; the Python that runs Ansible needs it"
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return where + (
            "a certificate does not lead to a CA that is trusted; mesh_openshift_login.ca_cert names a file with the CA of the API server "
            "and that of the router, behind which the OAuth server is"
        )
    return where + shown(said[:300]) + (f" ({status})" if status else "")


def logout_failure(answer: Mapping[str, Any], *, cluster: str) -> str:
    """What to say of a token that could not be revoked."""
    said = str(answer.get("msg") or "no reason")[:300]
    return f"cluster {shown(cluster)}: the token of this run could not be revoked and ends by its own time: {shown(said)}"
