# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter application_homes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: application_homes
short_description: The applications of a mesh with everything said
version_added: "0.1.0"
description:
  - Takes C(mesh_workloads) and returns what templates write down, with every default, the Deployment of each version, and the labels by
    which its pods ask for a proxy.
author:
  - meshops.mesh contributors (@meshops)
positional: provider, mesh
options:
  _input:
    description: The applications by namespace, as C(mesh_workloads) has them.
    type: list
    elements: dict
    required: true
  provider:
    description: Generation of the mesh.
    type: str
    choices: [ossm2, ossm3, sail]
    required: true
  mesh:
    description: Name of the mesh.
    type: str
    required: true
  control_plane:
    description: The control plane, as C(mesh_control_plane).
    type: dict
    default: {}
  domains:
    description: The domains, as C(mesh_domains).
    type: list
    elements: dict
    default: []
  service_account:
    description: Service account of applications that name none.
    type: str
    default: default
  resources:
    description: Resources of applications that name none.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show the Deployments
  ansible.builtin.debug:
    msg: >-
      {{ mesh_workloads | meshops.mesh.application_homes('ossm3', mesh_name)
         | map(attribute='applications') | flatten | map(attribute='deployments') | flatten | map(attribute='name') }}
"""

RETURN = r"""
_value:
  description: >-
    A row for each namespace with C(namespace), C(secrets), C(accounts) and C(applications); each of these has C(ports), C(probes) and
    C(deployments).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.applications import application_homes as rows_of
from ansible_collections.meshops.mesh.plugins.module_utils._model.enrolment import asked_by_pods


def application_homes(
    workloads: Sequence[Mapping[str, Any]],
    provider: str,
    mesh: str,
    *,
    control_plane: Mapping[str, Any] | None = None,
    domains: Sequence[Mapping[str, Any]] = (),
    service_account: str = "default",
    resources: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """As the pure function."""
    return rows_of(
        workloads,
        ossm2=provider == "ossm2",
        account=service_account,
        resources=resources or {},
        asked=asked_by_pods(mesh, control_plane or {}, domains),
    )


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"application_homes": application_homes}
