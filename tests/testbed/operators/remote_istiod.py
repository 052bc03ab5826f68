# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the istiod of another cluster answers, as the Sail operator probes it for a revision of the profile `remote`.

It dials the Service that its own charts made and notes the result as annotations of the webhook; the revision's Ready follows them.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from pathlib import Path
from typing import Any

from ..egress import played_services
from .base import Kube
from .charts import deployment_name, injection_webhook_name
from .status import condition

__all__ = ["NO_BUNDLE", "REASON", "STATUS", "is_remote", "readiness"]

Obj = dict[str, Any]
STATUS, REASON = "sailoperator.io/readinessProbe.status", "sailoperator.io/readinessProbe.reason"
ADMISSION = "admissionregistration.k8s.io/v1"
NO_BUNDLE = "webhooks[].clientConfig.caBundle hasn't been set; check if the remote istiod can access this cluster"


def is_remote(rev: Obj) -> bool:
    return bool((rev["spec"].get("values") or {}).get("profile") == "remote")


async def readiness(kube: Kube, bed: Obj, rev: Obj) -> Obj:
    """The condition Ready of a remote revision; what the probe said is written into its webhook."""
    name = injection_webhook_name(rev)
    webhook = await kube.get(ADMISSION, "MutatingWebhookConfiguration", name)
    if webhook is None:
        return condition("Ready", "False", "RemoteIstiodNotReady", f'failed to get MutatingWebhookConfiguration "{name}"')
    reason = await _probe(bed, rev, webhook)
    notes = {STATUS: "false" if reason else "true", REASON: reason}
    if {key: (webhook["metadata"].get("annotations") or {}).get(key, "") for key in notes} != notes:
        patch = {"metadata": {"annotations": {**notes, REASON: reason or None}}}
        await kube.patch({"apiVersion": ADMISSION, "kind": "MutatingWebhookConfiguration", **webhook}, patch)
    if reason:
        return condition("Ready", "False", "RemoteIstiodNotReady", "readiness probe on remote istiod failed")
    return condition("Ready", "True", "Ready")


async def _probe(bed: Obj, rev: Obj, webhook: Obj) -> str:
    """Why the istiod does not answer; "" when it does."""
    bundle = next((hook["clientConfig"].get("caBundle") for hook in webhook.get("webhooks") or []), None)
    if not bundle:
        return NO_BUNDLE
    namespace, service = rev["spec"]["namespace"], deployment_name(rev)
    host = f"{service}.{namespace}.svc"
    # In a cluster the Service leads there; here files of the bed say who plays it.
    known = played_services(Path(bed["dir"]) / "services.json")
    address, _colon, port = known.get(f"{namespace}/{service}:443", "").rpartition(":")
    try:
        if not port:
            raise ConnectionRefusedError("connect: connection refused")
        context = ssl.create_default_context(cadata=base64.b64decode(bundle).decode())
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(address or "127.0.0.1", int(port), ssl=context, server_hostname=host), 2
        )
        try:
            writer.write(f"GET /ready HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            line = (await asyncio.wait_for(reader.readline(), 2)).decode("latin-1").split()
        finally:
            writer.close()
    except (TimeoutError, OSError, ValueError, ssl.SSLError) as error:
        return f'failed to send readiness probe: Get "https://{host}:443/ready": {error}'
    return "" if len(line) > 1 and line[1] == "200" else f"unexpected status of the readiness probe: {' '.join(line[1:])}"
