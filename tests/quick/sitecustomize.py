# SPDX-License-Identifier: GPL-3.0-or-later
"""For the tests, by PYTHONPATH (see the Makefile): garbage is collected less often, which is a seventh of a run's time."""

import gc
import os

gc.set_threshold(100_000, 50, 100)
os.register_at_fork(before=gc.freeze)
