# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A module's work without a process of its own, where the task runs on the control node anyway: packing the module, starting Python and
compiling it again take longer than most of our tasks.

Ansible loads an action plugin in its own process before it forks one for the task, so what is imported at the top is imported once a run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from typing import Any

from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube import auth

__all__ = ["InProcess", "plain"]


def plain(value: Any) -> Any:
    """What a module would have read from JSON: Ansible's strings, lists and maps of its own kinds do not compare as ours do."""
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    return value.isoformat() if isinstance(value, date) else str(value)  # a date of YAML, a text of a vault


class InProcess(ActionBase):  # type: ignore[misc]
    """Base of the action plugins. Everywhere else (another host, another user, async) the module runs as modules do."""

    MODULE = ""
    _supports_async = True
    _supports_check_mode = True

    def options(self) -> dict[str, Any]:
        """The module's argument_spec and its rules (required_if, ...)."""
        raise NotImplementedError

    def answer(self, params: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
        """The module's result, with `failed` where it fails. Raises MeshError."""
        raise NotImplementedError

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        # where this Python has no libraries the module runs, with an interpreter that may have them
        if auth.IMPORT_ERROR or not self._here(task_vars or {}):
            background = self._task.async_val and not self._connection.has_native_async
            done = self._execute_module(module_name=self.MODULE, task_vars=task_vars, wrap_async=background)
            if not background:
                self._remove_tmp_path(self._connection._shell.tmpdir)
            return {**result, **done}
        return {**result, **self._work()}

    def _here(self, task_vars: dict[str, Any]) -> bool:
        """Is the module's process one of this user on this machine, with the Python that runs now?"""
        wanted = task_vars.get("ansible_python_interpreter")
        same_python = wanted is None or self._templar.template(wanted) in ("auto", "auto_silent", task_vars.get("ansible_playbook_python"))
        return self._connection.transport == "local" and not self._connection.become and not self._task.async_val and same_python

    def _work(self) -> dict[str, Any]:
        # This is a process of this task only: what the module would have been started with can be set for all of it.
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        os.environ.update({key: str(value) for key, value in environment.items()})
        os.chdir(self._loader.get_basedir())
        self._task.args = plain(self._task.args)
        validation, params = self.validate_argument_spec(**self.options())
        warnings: list[str] = []
        try:
            done = self.answer(params, warnings)
        except MeshError as exc:
            done = {"failed": True, "msg": str(exc)}
        if warnings:
            done["warnings"] = warnings
        shown: dict[str, Any] = remove_values(done, validation._no_log_values)
        return shown
