# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that a bed plays: small controllers that behave, and misbehave, as the real ones were recorded to."""
