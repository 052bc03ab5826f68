# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A module's work without a process of its own, where the task runs on the control node anyway: packing the module, starting Python and
compiling it again take longer than most of our tasks.

Ansible loads an action plugin in its own process before it forks one for the task, so what is imported at the top is imported once a run.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Mapping
from datetime import date
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, NoReturn

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible_collections.meshops.mesh.plugins.module_utils._kube import auth, parent, progress
from ansible_collections.meshops.mesh.plugins.module_utils._model.names import path_of_host
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import without_gc
from ansible_collections.meshops.mesh.plugins.module_utils._module import argument_error, for_people, shown_arguments
from ansible_collections.meshops.mesh.plugins.module_utils._text import shown_line

__all__ = ["OF_HOST", "InProcess", "module_of", "plain"]

_SELDOM = (100_000, 50, 100)  # Python's own thresholds are for fewer objects than a mesh has

# What a task does not say of the connection is said by these variables of its host, for every playbook and role, and for plays of others.
OF_HOST: Mapping[str, str] = {"kubeconfig": "mesh_kubeconfig", "context": "mesh_context", "cluster": "inventory_hostname"}


def module_of(name: str) -> ModuleType:
    """The module of this name, for MODULE. What it imports stays, so nobody need look for garbage in it: neither now, nor in each fork."""
    with without_gc():
        return import_module(f"ansible_collections.meshops.mesh.plugins.modules.{name}")


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


class _Ended(BaseException):  # no error: nothing between main() and here may catch it
    """The module has said its result."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__()
        self.result = result


class _Module:
    """What our modules use of MeshModule, without its process: parameters that are checked, warnings, and an end."""

    def __init__(self, action: InProcess, supports_check_mode: bool = False, **options: Any) -> None:
        self.check_mode: bool = action._task.check_mode
        self._diff: bool = action._task.diff
        self.warnings: list[str] = []
        progress.notices()  # of another one
        self.argument_spec: Mapping[str, Any] = options.get("argument_spec") or {}
        wrong = ""
        try:
            validation, self.params = action.validate_argument_spec(**options)
        except AnsibleError as exc:
            wrong = argument_error(str(exc.message), action._task.args, self.argument_spec)
        if wrong:  # an error of its own, as Ansible shows with the first one all arguments, and what led to it
            raise AnsibleActionFail(wrong)
        self.no_log_values: set[str] = validation._no_log_values
        if self.check_mode and not supports_check_mode:
            self.exit_json(skipped=True, msg="this module does not support check mode")

    def warn(self, text: str) -> None:
        """Adds a warning to the result."""
        self.warnings.append(shown_line(text))

    def exit_json(self, **result: Any) -> NoReturn:
        """The result, without what is secret."""
        for text in progress.notices():
            self.warn(text)
        given = {"changed": False, **({"warnings": self.warnings} if self.warnings else {}), **result}
        given = for_people(given)
        given["invocation"] = {"module_args": shown_arguments(self.params, self.argument_spec)}
        raise _Ended(remove_values(given, self.no_log_values))

    def fail_json(self, msg: str, **result: Any) -> NoReturn:
        """The result of a module that failed."""
        self.exit_json(**{**result, "failed": True, "msg": msg})


class InProcess(ActionBase):  # type: ignore[misc]
    """Base of the action plugins. Everywhere else (another host, another user, async) the module runs as modules do.

    MODULE: by `module_of`; its main() is called as it is. REPORTS: options with a file that each host of a play has for itself.
    CONNECTS: whether it takes the options of a connection to a cluster."""

    MODULE: ModuleType
    CONNECTS = True
    REPORTS: tuple[str, ...] = ()
    _supports_async = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        found = task_vars or {}
        return {**result, **self.module({**self._connection_of(found), **self._task.args}, found)}

    def _connection_of(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """The options of a connection that the host's variables say; what the task or its module_defaults say comes before."""
        if not self.CONNECTS:
            return {}
        left_out = {option: task_vars[name] for option, name in OF_HOST.items() if option not in self._task.args and name in task_vars}
        if task_vars.get("inventory_hostname") not in (task_vars.get("groups") or {}).get("all", ()):
            left_out.pop("cluster", None)  # without an inventory the host is no cluster's name
        # In a map, because ansible-core 2.19 takes no omit by itself; before, omit is a text.
        values: dict[str, Any] = self._templar.template(left_out)
        return {option: value for option, value in values.items() if value and value != task_vars.get("omit")}

    def module(self, args: Mapping[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """The module's result with these arguments."""
        args = self._of_host(args, task_vars)
        # where this Python has no libraries the module runs, with an interpreter that may have them
        if not auth.IMPORT_ERROR and self._here(task_vars):
            return self._work(args)
        background = self._task.async_val and not self._connection.has_native_async
        if self._connection.transport == "local" and not self._task.async_val:
            self._task.environment = [*(self._task.environment or []), {parent.VARIABLE: parent.name_of_parent()}]
        name = "meshops.mesh." + self.MODULE.__name__.rpartition(".")[2]
        done: dict[str, Any] = self._execute_module(module_name=name, module_args=dict(args), task_vars=task_vars, wrap_async=background)
        if not background:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return done

    def _of_host(self, args: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments with this host's own files: the hosts of a play work at the same time, and one would overwrite the others'."""
        files = {name: str(args[name]) for name in self.REPORTS if args.get(name)}
        host, hosts = str(task_vars.get("inventory_hostname") or ""), [str(name) for name in task_vars.get("ansible_play_hosts_all") or ()]
        if not files or self._task.run_once or host not in hosts:
            return args
        return {**args, **{name: path_of_host(path, host, hosts) for name, path in files.items()}}

    def _low_level_execute_command(self, cmd: str, *args: Any, **options: Any) -> dict[str, Any]:
        if self._connection.transport == "local" and not options.get("chdir"):
            options["chdir"] = os.getcwd()  # paths as in this process
        done: dict[str, Any] = super()._low_level_execute_command(cmd, *args, **options)
        return done

    def _here(self, task_vars: dict[str, Any]) -> bool:
        """Is the module's process one of this user on this machine, with the Python that runs now?"""
        wanted = task_vars.get("ansible_python_interpreter")
        same_python = wanted is None or self._templar.template(wanted) in ("auto", "auto_silent", task_vars.get("ansible_playbook_python"))
        return self._connection.transport == "local" and not self._connection.become and not self._task.async_val and same_python

    def _work(self, args: Mapping[str, Any]) -> dict[str, Any]:
        # This is a process of this task only: what the module would have been started with can be set for all of it. But not its folder:
        # that is the playbook's, which for a playbook of a collection is no place for the files that somebody names at the command line.
        if multiprocessing.parent_process() is not None:
            parent.end_with_parent()
            gc.set_threshold(*_SELDOM)
        progress.show_by(lambda line: self._display.display(shown_line(line)))
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        os.environ.update({key: str(value) for key, value in environment.items()})
        self._task.args = plain(args)
        setattr(self.MODULE, "MeshModule", partial(_Module, self))  # noqa: B010  # mypy knows no such name of a module
        try:
            self.MODULE.main()
        except _Ended as end:
            return end.result
        raise AssertionError(f"{self.MODULE.__name__} ended without a result")
