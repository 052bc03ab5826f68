# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter shown."""

from __future__ import annotations

DOCUMENTATION = r"""
name: shown
short_description: Text of others as a part of a message
version_added: "0.1.0"
description:
  - Makes one line of a text that a cluster, a file or a person gave, such as the message of a condition.
  - Line breaks, control characters, changes of direction and characters without width become escapes, and what a CI system would take for a
    command is broken.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The text.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Say why the certificate is not ready
  ansible.builtin.fail:
    msg: "Certificate prod-istio-system/travel: {{ condition.message | meshops.mesh.shown }}"
"""

RETURN = r"""
_value:
  description: The text in one line.
  type: str
  sample: 'first line\nsecond line'
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._text import shown


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"shown": shown}
