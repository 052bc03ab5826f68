# SPDX-License-Identifier: GPL-3.0-or-later
"""Coolapp and bookinfo on OpenShift Service Mesh 2 with a real Envoy behind each pod: each step is what callers get."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from envoys_support import ASK
from labs_support import Lab
from testbed import Bed
from testbed.patience import until

OPERATORS = ("olm", "maistra", "openshift", "observability", "envoys")
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("labs-ossm2")]


def lab(name: str, **variables: Any) -> Callable[..., Iterator[Lab]]:
    """One after the other: a bed with its Envoys is as much as a machine likes."""

    def made(beds: Callable[..., Bed], playbook: Callable[..., Any]) -> Iterator[Lab]:
        bed = beds(*OPERATORS, tag=f"ossm2-{name}")
        bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": name, "labels": ASK}})
        found = Lab(name, "ossm2", bed, bed.user_kubeconfig("lab-admin", ["system:masters"]), playbook)
        found.play(name, **variables).check()
        yield found
        bed.stop()

    return made


coolapp = pytest.fixture(scope="class")(lab("coolapp", coolapp_second_version=True))
bookinfo = pytest.fixture(scope="class")(lab("bookinfo"))


def answers(lab: Lab, source: str, url: str, number: int = 40, header: str = "") -> Counter[str]:
    """The Deployments that answered, of an error its code. source: an application, from whose pod the calls are."""
    words = f"-H '{header}'" if header else ""
    script = f"for i in $(seq {number}); do curl -s -m 5 -w '|%{{http_code}};' {words} {url}; done"
    pod = next(name for name in lab.ready(lab.name) if name.startswith(f"{source}-"))
    text = lab.bed.kubectl("exec", "-n", lab.name, pod, "-c", source, "--", "sh", "-c", script).stdout
    found: Counter[str] = Counter()
    known = sorted(lab.items("deployments", lab.name), key=len, reverse=True)
    for answer in filter(str.strip, text.split(";")):
        body, _bar, code = answer.rpartition("|")
        found[next((name for name in known if name in body), "nobody") if code == "200" else code] += 1
    return found


class TestCoolapp:
    URL = "http://catalog:8080/"

    def test_each_step_is_what_callers_get(self, coolapp: Lab) -> None:
        until(lambda: answers(coolapp, "partner", self.URL, 20).keys() == {"catalog-v1", "catalog-v2"}, timeout=60, what="both versions")
        for step, names in (("all_v2", {"catalog-v2"}), ("split", {"catalog-v1", "catalog-v2"}), ("all_v1", {"catalog-v1"})):
            coolapp.play("coolapp_traffic", coolapp_second_version=True, coolapp_step=step).check()
            assert answers(coolapp, "partner", self.URL).keys() == names, step
        again = coolapp.play("coolapp_traffic", coolapp_second_version=True, coolapp_step="all_v1").check()
        assert again.changed == 0

    def test_a_route_to_nowhere_is_refused_and_callers_get_what_they_got(self, coolapp: Lab) -> None:
        run = coolapp.play("coolapp_traffic", coolapp_second_version=True, coolapp_step="missing")
        assert run.rc != 0 and "so callers would get 503" in " ".join(run.stdout.split())
        assert answers(coolapp, "partner", self.URL).keys() == {"catalog-v1"}


class TestBookinfo:
    def test_who_is_logged_in_reads_another_version(self, bookinfo: Lab) -> None:
        url = "http://reviews:9080/"
        both = {f"reviews-{version}" for version in ("v1", "v2", "v3")}
        until(lambda: answers(bookinfo, "productpage", url, 30).keys() == both, timeout=60, what="all three versions")
        bookinfo.play("bookinfo_traffic", bookinfo_step="users").check()
        assert answers(bookinfo, "productpage", url).keys() == {"reviews-v3"}
        assert answers(bookinfo, "productpage", url, header="end-user: jason").keys() == {"reviews-v2"}

    def test_a_second_run_changes_nothing(self, bookinfo: Lab) -> None:
        again = bookinfo.play("bookinfo", bookinfo_step="users").check()
        assert again.changed == 0, again.stdout[-4000:]
