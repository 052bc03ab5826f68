# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the modules of meshops.mesh share; each piece has a twin of the same name in module_utils/_kube/options.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Which cluster it is, and how long to wait for it."""

    CLUSTER = r"""
options:
  cluster:
    description: What to call the cluster in messages. The name of O(context) or the address when not given.
    type: str
requirements:
  - python >= 3.11
  - kubernetes >= 24.2.0
"""

    # A module says its own default of wait_timeout and leaves the rest.
    WAIT = r"""
options:
  wait_timeout:
    description: How many seconds to wait at most.
    type: float
    default: 300
  wait_interval:
    description: Seconds between two looks.
    type: float
    default: 1
"""
