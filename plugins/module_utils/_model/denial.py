# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a 403 means: a right that is missing, or an admission rule that refuses what we are allowed to ask for.

The API server answers both with the reason Forbidden; only the words tell them apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Denial", "denial_of"]


@dataclass(frozen=True)
class Denial:
    """Whose no it is, and what to do about it."""

    right: bool  # a right is missing
    what: str
    remedy: str


_RIGHT = Denial(
    True,
    "not allowed",
    "give this user the right (verb and resource above; playbook render_rights renders all that we need) or use another login",
)
_GRANT = Denial(
    True,
    "not allowed to grant this",
    "who makes a Role or a binding needs every right in it, or the verbs escalate and bind: "
    "have an administrator deliver it, or give this user those rights",
)
_OWNER = Denial(True, "not allowed", "give this user update on the finalizers of the owner's kind")
_QUOTA = Denial(
    False,
    "a ResourceQuota of the namespace refuses it (no right is missing)",
    "kubectl describe resourcequota -n NAMESPACE says what is used: free some of it, ask for less, or have the quota raised",
)
_LIMIT_RANGE = Denial(
    False,
    "a LimitRange of the namespace refuses it (no right is missing)",
    "kubectl describe limitrange -n NAMESPACE says what is allowed: stay within it, or have it changed",
)
_POD_SECURITY = Denial(
    False,
    "the namespace's Pod Security level refuses it (no right is missing)",
    "change the pod template, or the label pod-security.kubernetes.io/enforce of the namespace",
)
_SCC = Denial(
    False,
    "no SecurityContextConstraints of OpenShift fits it (no right of this login is missing)",
    "have the pod's ServiceAccount bound to one that fits: oc adm policy who-can use scc NAME",
)
_WEBHOOK = Denial(
    False,
    "an admission webhook refuses it (no right is missing)",
    "whoever runs that webhook has the rule; change the object so that it is met, or have the rule changed",
)
_POLICY = Denial(
    False,
    "a ValidatingAdmissionPolicy refuses it (no right is missing)",
    "kubectl get validatingadmissionpolicies,validatingadmissionpolicybindings has the rule; meet it, or have it changed",
)
_ADMISSION = Denial(False, "an admission rule of the API server refuses it (no right is missing)", "change the object so that it is met")

# of LimitRanger: "maximum cpu usage per Container is 1, but limit is 2", "cpu max limit to request ratio per Pod is 2, ..."
_LIMITS = r"(?:maximum|minimum) \S+ usage per \w+ is|max limit to request ratio per \w+ is"
# The first that matches counts: a webhook's own words may hold any others, so what stands before them is looked for first.
_ROWS: tuple[tuple[str, Denial], ...] = (
    (r"admission webhook \".*?\" denied the request", _WEBHOOK),
    (r"ValidatingAdmissionPolicy '.*?' with binding '.*?' denied request", _POLICY),
    (r"attempting to grant RBAC permissions not currently held", _GRANT),
    (r"\bis forbidden: (?:exceeded|failed) quota: ", _QUOTA),
    (r"\bis forbidden: status unknown for quota: ", _QUOTA),
    (rf"\bis forbidden: \[?(?:\S+ )?{_LIMITS}", _LIMIT_RANGE),
    (r"\bis forbidden: violates PodSecurity ", _POD_SECURITY),
    (r"\bis forbidden: unable to validate against any security context constraint", _SCC),
    (r"cannot set (?:blockOwnerDeletion|an ownerRef)", _OWNER),
    (r"[Uu]ser \\?\".*?\\?\" cannot \S+ ", _RIGHT),
    (r"\bis forbidden: ", _ADMISSION),
)
_PATTERNS = tuple((re.compile(pattern, re.DOTALL), denial) for pattern, denial in _ROWS)


def denial_of(text: str, *, write: bool) -> Denial:
    """What the API server means. A read passes no admission; words that nobody knows are those of a proxy or an authorizer."""
    if not write:
        return _RIGHT
    return next((denial for pattern, denial in _PATTERNS if pattern.search(text)), _RIGHT)
