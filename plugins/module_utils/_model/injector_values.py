# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What each injector of a source was configured with: the values that its ConfigMap, istio-sidecar-injector or one for a revision, has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import kinds as k
from .fields import section
from .mesh_config import DEFAULT_REVISION
from .revisions import LABEL
from .view import View

__all__ = ["InjectorValues", "injector_values"]

_NAME = "istio-sidecar-injector"


@dataclass(frozen=True)
class InjectorValues:
    """Of one revision. settings: as a chart was rendered with them; a snapshot keeps what is read of them."""

    revision: str
    namespace: str
    settings: Mapping[str, Any]

    @property
    def image(self) -> str:
        """The image of proxies, as Istio's template puts it together; empty where the values do not say it."""
        own = section(self.settings, "global")
        image = str(section(own, "proxy").get("image") or "")
        if "/" in image:
            return image
        hub, tag = (str(own.get(name) or "") for name in ("hub", "tag"))
        return f"{hub}/{image}:{tag}" if hub and image and tag else ""

    @property
    def takes_all(self) -> bool:
        """Whether a namespace without any label is injected as well."""
        return section(self.settings, "sidecarInjectorWebhook").get("enableNamespacesByDefault") is True


def injector_values(view: View) -> Iterator[InjectorValues]:
    """Those of all revisions; what is no JSON says nothing."""
    for row in view.of(k.CONFIG_MAP):
        if row.name == _NAME or row.name.startswith(f"{_NAME}-"):
            try:
                settings = section(json.loads(str(row.at("data", "values", default=""))))
            except (ValueError, RecursionError):
                continue
            named = row.name.removeprefix(_NAME).removeprefix("-")
            yield InjectorValues(str(row.labels.get(LABEL) or named or DEFAULT_REVISION), row.namespace, settings)
