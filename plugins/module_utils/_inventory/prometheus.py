# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The configuration of a Prometheus that this collection runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.yaml import yaml_load

from .._model import kinds as k
from .._model.fields import section
from .._model.view import View

try:
    from yaml import YAMLError
except ImportError:

    class YAMLError(ValueError):  # type: ignore[no-redef]
        """Never raised."""


__all__ = ["settings_of"]


def settings_of(view: View, namespace: str) -> Mapping[str, Any]:
    """What prometheus.yml says; nothing where there is none that can be read."""
    found = view.get(k.CONFIG_MAP, "prometheus", namespace)
    text = section(found.raw if found else {}, "data").get("prometheus.yml")
    try:
        return section(yaml_load(text) if isinstance(text, str) else {})
    except YAMLError:
        return {}
