# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench`: our playbooks against floors that are measured in the same run."""
