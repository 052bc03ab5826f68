# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mesh_artifacts: what the next node of a workflow decides by, as ansible.builtin.set_stats leaves it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase
from ansible_collections.meshops.mesh.plugins.plugin_utils.artifacts import PLAYBOOKS, artifact
from ansible_collections.meshops.mesh.plugins.plugin_utils.in_process import plain

try:
    from ansible.template import trust_as_template
except ImportError:  # before ansible-core 2.19 every text may be a template

    def trust_as_template(value: str) -> str:  # type: ignore[misc]
        """As it is."""
        return value


COLLECTION = Path(__file__).resolve().parents[2]


@functools.cache
def _version() -> str:
    """The expression by which the roles know the version that is wanted."""
    defaults = yaml_load((COLLECTION / "roles" / "upgrade" / "defaults" / "main.yml").read_text(encoding="utf-8"))
    return str(defaults["upgrade_version"])


class ActionModule(ActionBase):
    """The action plugin."""

    _requires_connection = False
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"playbook"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Hands on, and changes nothing."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        playbook, found = self._task.args.get("playbook"), task_vars or {}
        if playbook not in PLAYBOOKS:
            raise AnsibleActionFail(f"mesh_artifacts: no playbook {playbook}; there are {', '.join(PLAYBOOKS)}")
        about = {
            "mesh": self._value("{{ mesh_name | default(none) }}"),
            "provider": self._value("{{ mesh_provider | default(none) }}"),
            "version": self._value(_version()) if "mesh_provider" in found else None,
            "target": self._value("{{ mesh_target | default('cluster') }}"),
            "check_mode": bool(self._task.check_mode),
        }
        data = plain(artifact(playbook, str(found["inventory_hostname"]), about, found))
        return {**result, "changed": False, "ansible_stats": {"data": data, "per_host": False, "aggregate": True}}

    def _value(self, template: str) -> Any:
        """None where the intent is wrong, which another task says."""
        try:
            return self._templar.template(trust_as_template(template))
        except AnsibleError:
            return None
