# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter login_kubeconfig."""

from __future__ import annotations

DOCUMENTATION = r"""
name: login_kubeconfig
short_description: The kubeconfig of a session
version_added: "0.1.0"
description:
  - Makes a kubeconfig with the token of a login.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The login, from P(meshops.mesh.openshift_login#filter).
    type: dict
    required: true
  token:
    description: The token.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Write the kubeconfig of the session
  ansible.builtin.copy:
    content: "{{ login | meshops.mesh.login_kubeconfig(answer.openshift_auth.api_key) | to_json }}"
    dest: "{{ folder.path }}/kubeconfig"
    mode: "0600"
  no_log: true
"""

RETURN = r"""
_value:
  description: The kubeconfig.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._kube.login import kubeconfig


def login_kubeconfig(login: Mapping[str, Any], token: str) -> dict[str, Any]:
    """As the pure function."""
    return kubeconfig(host=login["host"], ca_cert=login["ca_cert"], token=token)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Name to function."""
        return {"login_kubeconfig": login_kubeconfig}
