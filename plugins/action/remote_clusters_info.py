# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""remote_clusters_info without a process of its own."""

from __future__ import annotations

from ansible_collections.meshops.mesh.plugins.plugin_utils.in_process import InProcess, module_of


class ActionModule(InProcess):
    """The action plugin."""

    MODULE = module_of("remote_clusters_info")
