# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter login_failure."""

from __future__ import annotations

DOCUMENTATION = r"""
name: login_failure
short_description: Why a login gave no token
version_added: "0.1.0"
description:
  - Makes a sentence of what M(community.okd.openshift_auth) returned, for a task that may not show the whole of it.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The result of M(community.okd.openshift_auth).
    type: dict
    required: true
  cluster:
    description: What the cluster is called.
    type: str
    required: true
  login:
    description: The login, from P(meshops.mesh.openshift_login#filter). Without it the result is that of a logout.
    type: dict
"""

EXAMPLES = r"""
- name: Require the token
  ansible.builtin.fail:
    msg: "{{ answer | meshops.mesh.login_failure(inventory_hostname, login) }}"
  when: answer.openshift_auth is not defined
"""

RETURN = r"""
_value:
  description: The sentence.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._kube.login import failure, logout_failure


def login_failure(answer: Mapping[str, Any], cluster: str, login: Mapping[str, Any] | None = None) -> str:
    """As the pure functions."""
    if login is None:
        return logout_failure(answer, cluster=cluster)
    return failure(answer, cluster=cluster, host=login["host"], username=login["username"])


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Name to function."""
        return {"login_failure": login_failure}
