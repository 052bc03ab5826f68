# SPDX-License-Identifier: GPL-3.0-or-later
"""The admission server that plays every istiod of a bed: sidecar injection and configuration validation."""

from __future__ import annotations

from typing import Any

__all__ = ["maistra_webhook"]


def maistra_webhook(name: str, namespace: str, ca_bundle: str) -> dict[str, Any]:
    """The injection webhook of a ServiceMeshControlPlane: every pod of a member namespace passes, the injector decides."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": f"istiod-{name}-{namespace}",
                     "labels": {"app": "sidecar-injector", "istio.io/rev": name, "release": "istio", "maistra.io/owner": namespace}},
        "webhooks": [{
            "name": "sidecar-injector.istio.io", "sideEffects": "None", "failurePolicy": "Fail", "admissionReviewVersions": ["v1beta1", "v1"],
            "clientConfig": {"service": {"name": f"istiod-{name}", "namespace": namespace, "path": "/inject", "port": 443},
                             "caBundle": ca_bundle},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "scope": "*"}],
            "namespaceSelector": {"matchExpressions": [
                {"key": "maistra.io/member-of", "operator": "In", "values": [namespace]},
                {"key": "maistra.io/ignore-namespace", "operator": "DoesNotExist"},
                {"key": "istio-injection", "operator": "NotIn", "values": ["disabled"]},
                {"key": "istio-env", "operator": "DoesNotExist"}]},
            "objectSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["istiod"]}]},
        }],
    }
