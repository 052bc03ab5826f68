# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Whether a CA that is delivered in one go would be another root for a mesh that runs. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._errors import ConfigError
from .._model.fields import name_of, section
from .._model.secrets_used import CA_SECRETS
from .material import Material
from .rotation import Phase, plan

__all__ = ["changes_root"]

Obj = Mapping[str, Any]


def changes_root(found: Iterable[Obj], goal: Obj) -> bool:
    """found: the Secrets of a control plane's CA, as far as they are there; istiod looks at `istio-ca-secret` without `cacerts` only.

    A CA that cannot be read counts as another one: what the proxies trust is not known then."""
    by_name = {name_of(one): one for one in found}
    current = next((by_name[name] for name in CA_SECRETS if name in by_name), None)
    if current is None:
        return False
    wanted = Material.of(section(goal, "data"), name_of(goal))
    try:
        there = Material.of(section(current, "data"), name_of(current))
    except ConfigError:
        return True
    return any(step.phase is Phase.DISTRIBUTE for step in plan(there.authority, wanted.authority))
