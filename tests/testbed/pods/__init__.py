# SPDX-License-Identifier: GPL-3.0-or-later
"""The data plane `pods`: a network namespace for each pod, with the pod's own proxy in it (see docs/architecture.md)."""
