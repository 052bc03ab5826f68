# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mesh_check without a process of its own, where the task runs on the control node anyway: packing the module, starting Python and
compiling it again would take longer than the checks of a small mesh."""

from __future__ import annotations

import os
from typing import Any

from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError


class ActionModule(ActionBase):
    """The action plugin. Everywhere else (another host, another user, async) the module runs as modules do."""

    _supports_async = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        here = self._here(task_vars or {})
        if here:
            # late, so that a control node without the libraries runs the module, with an interpreter that may have them
            from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import IMPORT_ERROR

            here = not IMPORT_ERROR
        if not here:
            background = self._task.async_val and not self._connection.has_native_async
            done = self._execute_module(module_name="meshops.mesh.mesh_check", task_vars=task_vars, wrap_async=background)
            if not background:
                self._remove_tmp_path(self._connection._shell.tmpdir)
            return {**result, **done}
        return {**result, **self._check()}

    def _here(self, task_vars: dict[str, Any]) -> bool:
        """Is the module's process one of this user on this machine, with the Python that runs now?"""
        wanted = task_vars.get("ansible_python_interpreter")
        same_python = wanted is None or self._templar.template(wanted) in ("auto", "auto_silent", task_vars.get("ansible_playbook_python"))
        return self._connection.transport == "local" and not self._connection.become and not self._task.async_val and same_python

    def _check(self) -> dict[str, Any]:
        from ansible_collections.meshops.mesh.plugins.module_utils._kube.checking import argument_spec, check
        from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import SOURCE_NEEDS

        # This is a process of this task only: what the module would have been started with can be set for all of it.
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        os.environ.update({key: str(value) for key, value in environment.items()})
        os.chdir(self._loader.get_basedir())
        validation, params = self.validate_argument_spec(argument_spec=argument_spec(), required_if=SOURCE_NEEDS)
        warnings: list[str] = []
        try:
            done = check(params, warnings.append)
        except MeshError as exc:
            done = {"failed": True, "msg": str(exc)}
        if warnings:
            done["warnings"] = warnings
        shown: dict[str, Any] = remove_values(done, validation._no_log_values)
        return shown
