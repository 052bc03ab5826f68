# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""How we log in: kubernetes.core's options and environment, then one pool of connections for raw JSON."""

from __future__ import annotations

import base64
import json
import ssl
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
from ansible_collections.kubernetes.core.plugins.module_utils.k8s import client as core_client

from .._errors import ConfigError

IMPORT_ERROR: str | None = None
try:
    import urllib3
    import websocket
    import yaml
    from kubernetes.client import Configuration
    from kubernetes.client.rest import RESTClientObject
    from kubernetes.config import ConfigException, kube_config
except ImportError:
    IMPORT_ERROR = traceback.format_exc()

__all__ = ["AUTH_ARG_SPEC", "IMPORT_ERROR", "Dialer", "HttpResponse", "Transport", "connect", "current_context", "dialer", "server_of"]


@dataclass(frozen=True)
class HttpResponse:
    """One HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as parsed JSON; None where it is not JSON (a proxy's error page)."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Transport(Protocol):
    """What Cluster needs from a connection; tests bring their own."""

    @property
    def host(self) -> str:
        """The address, for messages."""
        ...  # pylint: disable=unnecessary-ellipsis

    def request(self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str], timeout: float) -> HttpResponse:
        """Send one request; connection problems come out as urllib3's own exceptions."""
        ...  # pylint: disable=unnecessary-ellipsis


@dataclass(frozen=True)
class _PoolTransport:
    host: str
    pool: Any
    login: Callable[[], dict[str, str]]
    extra: tuple[tuple[str, str], ...]

    def request(self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str], timeout: float) -> HttpResponse:
        lines = urllib3.HTTPHeaderDict({**headers, **self.login()})
        for key, value in self.extra:
            lines.add(key, value)
        limits = urllib3.Timeout(connect=min(5.0, timeout), read=timeout)
        reply = self.pool.request(
            method, self.host + path, body=body, headers=lines, timeout=limits, retries=False, redirect=False, preload_content=True
        )
        return HttpResponse(reply.status, {key.lower(): value for key, value in reply.headers.items()}, reply.data)


def _configuration(params: Mapping[str, Any], name: str) -> Any:
    """kubernetes.core's configuration; its errors become one sentence that says where to look."""
    wanted = {key: params.get(key) for key in AUTH_ARG_SPEC}
    # a kubeconfig read before stays in the library as a default, client certificate included
    Configuration.set_default(None)
    try:
        auth = core_client._create_auth_spec(**wanted)
        if auth.get("proxy_headers") == {}:
            del auth["proxy_headers"]
        return core_client._create_configuration(auth)
    except (ConfigException, OSError, yaml.YAMLError, TypeError) as exc:
        kubeconfig = wanted["kubeconfig"]
        # the whole path is a secret to Ansible (no_log) and would be shown as stars
        shown = "/".join(kubeconfig.split("/")[-2:]) if isinstance(kubeconfig, str) else "K8S_AUTH_KUBECONFIG, KUBECONFIG or ~/.kube/config"
        raise ConfigError(
            f"cluster {name}: no usable login in {shown} (context {params.get('context') or 'current'}): {str(exc).strip()}; "
            "set kubeconfig (or K8S_AUTH_KUBECONFIG) to a readable file and context to one that it has"
        ) from exc


def server_of(params: Mapping[str, Any], *, name: str) -> tuple[str, str]:
    """The address of the API server that the options mean, and the certificates that it is verified with, in PEM; empty where those of the
    system are."""
    configuration = _configuration(params, name)
    try:
        ca = Path(configuration.ssl_ca_cert).read_text(encoding="ascii") if configuration.ssl_ca_cert else ""
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"cluster {name}: the CA of the API server cannot be read: {exc}; look at ca_cert or the kubeconfig") from exc
    return configuration.host.rstrip("/"), ca


def current_context(kubeconfig: Any) -> str:
    """The name of the context that a kubeconfig leads to where none is asked for, as kubectl shows it; empty where it cannot be read, which
    whoever logs in says."""
    if isinstance(kubeconfig, Mapping):
        return str(kubeconfig.get("current-context") or "")
    try:
        _contexts, active = kube_config.list_kube_config_contexts(config_file=kubeconfig)
    except (ConfigException, OSError, yaml.YAMLError, TypeError, ValueError):
        return ""
    return str(active.get("name") or "")


def _login(configuration: Any) -> Callable[[], dict[str, str]]:
    """Headers of the login, asked anew for each request, because tokens are refreshed."""

    def headers() -> dict[str, str]:
        for setting in configuration.auth_settings().values():
            if setting.get("in") == "header" and setting.get("value"):
                return {setting["key"]: setting["value"]}
        token = (configuration.api_key or {}).get("authorization")
        if token:
            return {"authorization": token}
        if configuration.username and configuration.password:
            pair = f"{configuration.username}:{configuration.password}".encode()
            return {"authorization": "Basic " + base64.b64encode(pair).decode()}
        return {}

    return headers


def connect(params: Mapping[str, Any], *, name: str, workers: int) -> Transport:
    """A pool of connections to the cluster that the options mean; nothing is sent yet."""
    configuration = _configuration(params, name)
    configuration.connection_pool_maxsize = workers
    try:
        pool = RESTClientObject(configuration).pool_manager
    except (OSError, ValueError) as exc:
        raise ConfigError(
            f"cluster {name}: the connection cannot be set up: {exc}; look at ca_cert, client_cert, client_key and proxy"
        ) from exc
    return _PoolTransport(configuration.host.rstrip("/"), pool, _login(configuration), _impersonation(params))


def _impersonation(params: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    wanted = {key: params.get(key) for key in ("impersonate_user", "impersonate_groups")}
    extra: list[tuple[str, str]] = []
    for key, value in core_client._create_headers(**wanted).items():
        extra += [(key, item) for item in (value if isinstance(value, list) else [value])]
    return tuple(extra)


@dataclass(frozen=True)
class Dialer:
    """Opens websockets to the API server, with the same login as its requests; safe to use from several threads."""

    host: str
    context: Any
    login: Callable[[], dict[str, str]]
    extra: tuple[tuple[str, str], ...]
    options: Mapping[str, Any]

    def open(self, path: str, protocol: str, timeout: float) -> Any:
        """A connected WebSocket; problems come out as websocket's own exceptions, or OSError."""
        lines = [f"{key}: {value}" for key, value in (*self.login().items(), *self.extra)]
        sslopt = {"context": self.context, **({"server_hostname": self.options["name"]} if self.options.get("name") else {})}
        proxy = {key: value for key, value in self.options.items() if key.startswith(("http_", "proxy_"))}
        return websocket.create_connection(
            "ws" + self.host.removeprefix("http") + path,
            timeout=timeout,
            header=lines,
            subprotocols=[protocol],
            sslopt=sslopt,
            suppress_origin=True,
            **proxy,
        )


def dialer(params: Mapping[str, Any], *, name: str) -> Dialer:
    """For streams (port-forward) of the cluster that the options mean; nothing is sent yet."""
    configuration = _configuration(params, name)
    try:
        context = ssl.create_default_context(cafile=configuration.ssl_ca_cert or None)
        if not configuration.verify_ssl or configuration.assert_hostname is False:
            context.check_hostname = False
        if not configuration.verify_ssl:
            context.verify_mode = ssl.CERT_NONE
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file)
    except (OSError, ValueError) as exc:
        raise ConfigError(f"cluster {name}: the connection cannot be set up: {exc}; look at ca_cert, client_cert and client_key") from exc
    options: dict[str, Any] = {"name": getattr(configuration, "tls_server_name", None)}
    if configuration.proxy:
        address = urlsplit(configuration.proxy)
        options |= {"http_proxy_host": address.hostname, "http_proxy_port": address.port, "proxy_type": "http"}
        options |= {"http_no_proxy": configuration.no_proxy.split(",")} if configuration.no_proxy else {}
    return Dialer(configuration.host.rstrip("/"), context, _login(configuration), _impersonation(params), options)
