# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The callback short."""

from __future__ import annotations

DOCUMENTATION = r"""
name: short
type: stdout
short_description: What changed, what failed, and what the playbooks say
version_added: "0.1.0"
description:
  - Prints as P(ansible.builtin.default#callback) does, but no task that is ok, was skipped or only included others.
  - What the playbooks of this collection say is printed as ever; C(-e mesh_output_style=short) makes that short as well.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - Set as C(stdout_callback) in C(ansible.cfg), or by the environment variable E(ANSIBLE_STDOUT_CALLBACK).
"""

from typing import Any

from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback.default import CallbackModule as Default

_QUIET = frozenset({"display_ok_hosts", "display_skipped_hosts"})


class CallbackModule(Default):  # type: ignore[misc]
    """What Ansible loads."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "meshops.mesh.short"

    def get_option(self, name: str, *args: Any, **options: Any) -> Any:
        """The default callback is quiet by itself where these are off."""
        return False if name in _QUIET else super().get_option(name, *args, **options)

    def v2_playbook_on_include(self, included_file: Any) -> None:
        """Nothing: what is included speaks for itself."""

    def v2_runner_on_ok(self, result: Any) -> None:
        """An include is no result."""
        if not isinstance(getattr(result, "task", None) or result._task, TaskInclude):
            super().v2_runner_on_ok(result)
