# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The rows that certificate_check returns: those of certificates, and what of other categories belongs to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._certificates.checks import inventory
from .._certificates.inventory import CertificateInventory
from .._certificates.reading import has_private_key
from .._checks.answer import answer
from .._checks.render import table
from .._checks.runner import Report
from .._inputs import intent_from, options_from
from .._model.clock import utc_now
from .._model.malformed import readable
from .._model.snapshot import Snapshot, without_gc
from .._model.view import View
from .category import category_options, run_category
from .certificate_sources import gather
from .sources import read_result

__all__ = ["check", "keys_in", "run_certificate_checks"]

# What of other categories belongs to a mesh's certificates.
RELATED = ("OSM1213", "OSM1503")


def run_certificate_checks(params: Mapping[str, Any], snapshot: Snapshot) -> tuple[Report, CertificateInventory]:
    """The rows about certificates, without what a file cannot say about a cluster; and the certificates, which are judged once."""
    related = RELATED if params["mesh"] else ()
    options = category_options("certificates", options_from(params, now=snapshot.taken_at), "certificates here", related)
    view, intent = View(snapshot), intent_from(params)
    with without_gc():  # thousands of certificates, and no cycle among them
        report = run_category("certificates", view, intent, options, related=related, live=bool(params["mesh"]))
        # Without what no check can make sense of.
        return report, readable(snapshot.cluster, lambda: inventory(report.view or view, intent, options))


def keys_in(params: Mapping[str, Any]) -> set[str]:
    """Texts of the options that have a private key, also where only certificates belong."""
    texts = {value for entry in (params, *params["certificates"]) for name, value in entry.items() if name.endswith("_content") and value}
    return {text.strip() for text in texts if has_private_key(text.encode())}


def check(params: dict[str, Any], *, warn: Callable[[str], None]) -> dict[str, Any]:
    """The module's result; `failed` with the lines of what fails. Raises MeshError where nothing could be read.

    warn: is told of each file that cannot be read, and of each entry of `ignore` that matched nothing."""
    snapshot = gather(params, clock=utc_now, warn=warn)
    report, everything = run_certificate_checks(params, snapshot)
    result = answer(
        report,
        by="certificate_check",
        params=params,
        warn=warn,
        **read_result(snapshot),
        inventory=everything.rows(),
        timeline=everything.timeline(),
        roots="".join(one.pem() for one in everything.roots),
        at=snapshot.taken_at.isoformat(),
    )
    result["table"] = table(result["checks"], show_from=params["show_from"], summary=report.summary)
    return result
