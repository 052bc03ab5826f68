# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo-traffic`: the guestbook lab under a real istiod with real sidecars, and a browser at its gateway that calls all the time.

Each step prints what the browser got. Then a canary goes to its end, and one whose version fails 10 % of its calls goes back.
It fails where a call failed before that version did, where the split is not the one that was asked for, or where a canary does not end
as it should."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from demo import play
from testbed import Bed, binaries
from testbed.calls import Calls, wilson
from testbed.patience import until

NAME, HOST = "demo-traffic", "guestbook.apps.lab.example.com"
OPERATORS = ("olm", "sail", "openshift", "observability", "pods")
GATE = {"window": "15s", "interval": "5s", "min_requests": 60, "max_error_rate": 0.01, "timeout": "3m"}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
Z95 = 1.96


class Demo:
    """The bed, its browsers, and what did not come out as it should."""

    def __init__(self) -> None:
        self.bed = Bed.start(NAME, operators=OPERATORS)
        self.bed.set_faults({})
        self.wrong: list[str] = []

    def play(self, playbook: str, **variables: Any) -> int:
        print()
        given = {"guestbook_gate": GATE, **variables}
        code, seconds = play(self.bed, "-e", json.dumps(given), f"meshops.mesh.{playbook}", inventory="guestbook")
        print(f"{playbook}: {seconds:.0f} s, exit code {code}")
        return code

    def must(self, playbook: str, **variables: Any) -> None:
        if self.play(playbook, **variables):
            raise SystemExit(f"{playbook} failed")

    def browser(self, agent: str = "curl/8.5", rate: float = 60) -> Calls:
        found = self.bed.kubectl("get", "service", "istio-ingressgateway", "-n", "istio-system", "-o", "jsonpath={.spec.clusterIP}").stdout
        return Calls(self.bed, f"http://{HOST}/", to=found, rate=rate, headers={"user-agent": agent})

    def measured(self, what: str, calls: Calls, begin: int, expected: dict[str, float]) -> None:
        """Prints the shares since a call, and holds them against what was asked for, in per cent by version, where something was."""
        shares = calls.by_version(begin)
        total, parts = max(shares.total(), 1), []
        for version in sorted({*shares, *expected}):
            low, high = (100 * end for end in wilson(shares[version], total, Z95))
            wanted = expected.get(version, 0.0)
            parts.append(
                f"{version} {shares[version]} of {total} ({100 * shares[version] / total:.1f} %, 95 % interval {low:.1f} to {high:.1f} %)"
            )
            if expected and not low - 1e-9 <= wanted <= high + 1e-9:
                self.wrong.append(f"{what}: {wanted:g} % of {version} were asked for, {low:.1f} to {high:.1f} % were seen")
        print(f"== {what}: {'; '.join(parts)}; {len(calls.failed(begin))} failed", flush=True)

    def steps(self, calls: Calls, firefox: Calls) -> None:
        """Section 5 of the lab."""
        for step, expected, among_firefox, count in (
            ("all_v1", {"1.0": 100.0}, {"1.0": 100.0}, 200),
            ("browsers", {"1.0": 100.0}, {"2.0": 100.0}, 200),
            ("canary", {"1.0": 80.0, "2.0": 20.0}, {"1.0": 80.0, "2.0": 20.0}, 2000),
            ("all_v1", {"1.0": 100.0}, {"1.0": 100.0}, 200),
        ):
            self.must("guestbook_traffic", guestbook_step=step)
            until(lambda: firefox.by_version(firefox.wait(20)).keys() == among_firefox.keys(), 60, f"the answers of {step}")
            until(lambda: calls.by_version(calls.wait(20)).keys() == expected.keys(), 60, f"the answers of {step}")
            begin = len(calls)
            while len(calls) - begin < count:
                calls.wait(100)
            self.measured(step, calls, begin, expected)

    def canaries(self, calls: Calls) -> None:
        """A good version to its end, then one that fails."""
        begin = len(calls)
        if self.play("release_canary", guestbook_step="all_v1"):
            self.wrong.append("the canary of a good version did not come to its end")
        self.measured("while the canary went to its end", calls, begin, {})
        begin = calls.wait(20)
        calls.wait(200)
        self.measured("after it", calls, begin, {"2.0": 100.0})
        if calls.failed():
            self.wrong.append(f"{len(calls.failed())} of {len(calls)} calls failed: {calls.failed()[:3]}")

    def bad_canary(self, calls: Calls) -> None:
        self.must("release_canary", guestbook_step="all_v1", canary_action="forget")
        self.must("guestbook_traffic", guestbook_step="all_v1")
        self.bed.set_faults({"pods": {"errors": {"guestbook/guestbook-v2": {"percent": 10, "status": 500}}}})
        print("\nThe new version answers 500 to 10 % of its calls now.")
        begin = len(calls)
        if not self.play("release_canary", guestbook_step="all_v1"):
            self.wrong.append("the canary of a version that fails came to its end")
        failed = len(calls.failed(begin))
        print(f"== while it was tried: {failed} of {len(calls) - begin} calls failed")
        begin = calls.wait(20)
        calls.wait(200)
        self.measured("after it", calls, begin, {"1.0": 100.0})


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    lacking = binaries.pods_missing() or binaries.istio_missing("istioctl")
    if lacking:
        raise SystemExit(f"real pods cannot run here: {lacking}")
    started = time.monotonic()
    demo = Demo()
    demo.must("guestbook")
    with demo.browser() as calls, demo.browser(FIREFOX, rate=20) as firefox:
        demo.measured("first, without a rule", calls, calls.wait(20), {})
        demo.steps(calls, firefox)
        demo.canaries(calls)
        demo.wrong += [f"{len(firefox.failed())} calls of Firefox failed"] if firefox.failed() else []
        demo.bad_canary(calls)
    print(f"\n{len(calls) + len(firefox)} calls in {time.monotonic() - started:.0f} s. {'; '.join(demo.wrong) or 'All as it should be.'}")
    return 1 if demo.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
