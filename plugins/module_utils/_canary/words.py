# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A canary in words: what would be done, step by step, and what its gate asks."""

from __future__ import annotations

from .._text import shortened, shown
from .gate import percent
from .intent import PROMETHEUS, Canary
from .weights import percent_of, shares, text_of

__all__ = ["plan_lines"]


def _gate_text(canary: Canary) -> str:
    """What has to be so before the next step."""
    gate, asks = canary.gate, []
    if gate.max_error_rate is not None:
        asks.append(f"at most {percent(gate.max_error_rate)} fail")
    if gate.max_error_increase is not None:
        asks.append(f"at most {gate.max_error_increase * 100:g} points more than of {shown(canary.old)}")
    if gate.max_latency is not None:
        asks.append(f"{gate.percentile:g}th percentile at most {gate.max_latency:g} ms")
    if gate.max_latency_increase is not None:
        asks.append(f"{gate.percentile:g}th percentile at most {gate.max_latency_increase:g} times that of {shown(canary.old)}")
    source = "a Prometheus" if canary.measure.source == PROMETHEUS else "the proxies"
    return (
        f"for {gate.window:g} s and {gate.min_requests} requests, at most {gate.timeout:g} s, by {source}: "
        f"{shortened(asks, 10) or 'enough requests'}"
    )


def plan_lines(canary: Canary, position: int = -1) -> list[str]:
    """The steps that are left, with the weights of each. position: of the last one that was done."""
    lines = [f"canary {shown(canary.key)} {shown(canary.old)} -> {shown(canary.new)}, route {shown(canary.route or 'default')}"]
    start = percent_of(canary.base, canary.old, canary.new)
    lines.append(f"  from {start} %: {text_of(canary.base)}")
    for number, step in enumerate(canary.steps):
        if number > position:
            pause = ", then it waits for somebody" if step.pause and number + 1 < len(canary.steps) else ""
            weights = shares(canary.base, canary.old, canary.new, step.weight)
            lines.append(f"  step {number + 1} of {len(canary.steps)}: {text_of(weights)}{pause}")
    lines.append(f"  after each step, {_gate_text(canary)}")
    back = "the step before" if canary.on_failure == "step" else f"{start} %"
    lines.append(
        f"  on a violation back to {back}; with too few requests it {'goes back, too' if canary.on_timeout == 'back' else 'stays'}"
    )
    return lines
