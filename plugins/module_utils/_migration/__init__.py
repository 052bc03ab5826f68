# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""From OpenShift Service Mesh 2.6 to 3: what each field becomes, the objects, and the steps from one control plane to the other."""

from __future__ import annotations
