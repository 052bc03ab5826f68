# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter openshift_login."""

from __future__ import annotations

DOCUMENTATION = r"""
name: openshift_login
short_description: Where and as whom to log in to OpenShift
version_added: "0.1.0"
description:
  - Reads a login by user and password, completed by C(K8S_AUTH_HOST) and C(K8S_AUTH_SSL_CA_CERT) of the environment, and says what is
    wrong with it, without a value of it.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The login, with host, username, password and ca_cert.
    type: dict
    required: true
  kubeconfig:
    description: Another way to log in that is set as well.
    type: str
    default: ''
  context:
    description: Another way to log in that is set as well.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: The login can be meant
  ansible.builtin.assert:
    that: (mesh_openshift_login | meshops.mesh.openshift_login).refusals == []
"""

RETURN = r"""
_value:
  description: Host, username, password and ca_cert, and refusals, a list of sentences.
  type: dict
"""

import os
from collections.abc import Callable
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._kube.login import login_of


def openshift_login(given: Any, kubeconfig: str = "", context: str = "") -> dict[str, Any]:
    """As the pure function, with the environment of this process."""
    found = login_of(given, kubeconfig=kubeconfig, context=context, environment=os.environ)
    return {**vars(found), "refusals": list(found.refusals)}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Name to function."""
        return {"openshift_login": openshift_login}
