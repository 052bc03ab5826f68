# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Our own modules as Python loads modules everywhere else: compiled once, and the byte code kept beside them.

Ansible's loader of collections compiles every file again in every run, which was half a second of each. What is imported after
`keep_byte_code()` comes from `__pycache__`; the lookup of a play's hosts calls it when it runs, as no import may change how others import.
Where nothing can be written there, or Python shall write none, files are compiled as before.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

__all__ = ["KeptByteCode", "keep_byte_code"]

OURS = __name__.rpartition(".plugin_utils.")[0] + "."


class KeptByteCode(MetaPathFinder):
    """Finds the files below `plugins`; packages, and all that is not ours, are left to the finders after it."""

    @staticmethod
    def find_spec(fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The file, as Python's own loader takes it."""
        if not fullname.startswith(OURS):
            return None
        files = (Path(folder, fullname.rpartition(".")[2] + ".py") for folder in path or ())
        return next((spec_from_file_location(fullname, file) for file in files if file.is_file()), None)


def keep_byte_code() -> None:
    """From here on."""
    if not any(isinstance(finder, KeptByteCode) for finder in sys.meta_path):
        sys.meta_path.insert(0, KeptByteCode())
