# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Variables as a file of an inventory has them. What a cluster says is data there, too: never a template that a later play would run."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

__all__ = ["dumped"]

_TEMPLATE = re.compile(r"\{[{%#]")


@cache
def _dumper() -> Any:
    """A dumper that indents lists below their key, writes no alias, and marks what somebody else wrote as no template of ours."""
    import yaml  # late: without PyYAML Ansible does not get here, and its import test has none

    class VariablesDumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: VariablesDumper, value: str) -> yaml.Node:
        if _TEMPLATE.search(value):
            return dumper.represent_scalar("!unsafe", value, style='"')
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if "\n" in value else None)

    VariablesDumper.add_representer(str, text)
    return VariablesDumper


def dumped(value: Any, *, flow: bool = False, width: int = 2**31 - 1) -> str:
    """YAML of a value. flow: all of it in one line; otherwise collections without collections in them are."""
    import yaml

    text: str = yaml.dump(
        value, Dumper=_dumper(), default_flow_style=True if flow else None, width=width, sort_keys=False, allow_unicode=True
    )
    return text
