# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Checks of the control_plane category about the webhooks of an istiod, which may be in another cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from .._checks.types import Options
from .._model import kinds as k
from .._model.fields import section, sections
from .._model.injection import injectors
from .._model.intent import Intent
from .._model.problem import Problem, Severity
from .._model.view import Obj, View
from .checks import CATEGORY

check = CATEGORY.check

__all__: list[str] = []

_VALIDATORS = ("istio-validator", "istiod-default-validator")


@check(
    "OSM1240",
    title="each webhook of Istio calls a host name or a Service",
    hint="set clientConfig.url to a name that leads to istiod (https://NAME:15017/inject), or clientConfig.service; remotes get it from "
    "istiodRemote.injectionURL or global.remotePilotAddress",
    inputs=(k.MUTATING_WEBHOOK, k.VALIDATING_WEBHOOK),
    live=False,
    equivalents=("IST0163", "IST0164"),
)
def webhooks_lead_somewhere(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A cluster whose istiod runs elsewhere calls it by URL. Without one the webhooks cannot be created, so no pod is injected and
    nothing validated; an IP address changes with the load balancer, and its certificate rarely has it."""
    validators = [row for row in view.of(k.VALIDATING_WEBHOOK) if row.name.startswith(_VALIDATORS)]
    for row in (*injectors(view), *validators):
        yield from _addresses(row)


def _addresses(row: Obj) -> Iterator[Problem]:
    for hook in sections(row.items("webhooks")):
        client, name = section(hook, "clientConfig"), hook.get("name")
        url = str(client.get("url") or "")
        if client.get("service"):
            continue
        if not url:
            yield Problem(row.ref, f"webhook {name} has neither a service nor a url: the API server refuses it")
            continue
        host = _host(url)
        if not host:
            yield Problem(row.ref, f"webhook {name} has the url {url}, which has no host")
        elif _is_address(host):
            text = f"webhook {name} calls the address {host}: with another load balancer no pod is injected"
            yield Problem(row.ref, text, severity=Severity.WARNING)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
