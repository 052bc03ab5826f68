# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mesh_apply without a process of its own."""

from __future__ import annotations

from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._kube.layer import apply_layer, argument_spec
from ansible_collections.meshops.mesh.plugins.plugin_utils.in_process import InProcess


class ActionModule(InProcess):
    """The action plugin."""

    MODULE = "meshops.mesh.mesh_apply"

    def options(self) -> dict[str, Any]:
        """What the module takes."""
        return {"argument_spec": argument_spec()}

    def answer(self, params: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
        """What the module returns."""
        return apply_layer(params, warnings.append, check_mode=self._task.check_mode, diff=self._task.diff)
