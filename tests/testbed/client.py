# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of a mesh that calls all the time: whoever changes the mesh meanwhile learns whether somebody noticed."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from .bed import Bed
from .patience import meanwhile

__all__ = ["Client", "made_anew"]


@dataclass(frozen=True)
class Client:
    """A bare pod with a sidecar: nobody restarts it, so each call that fails is the mesh's fault."""

    bed: Bed
    namespace: str
    name: str = "client"

    def make(self) -> None:
        """The namespace has to ask for Envoys."""
        inject = {"sidecar.istio.io/inject": "true"}  # a label for OpenShift Service Mesh 3, an annotation for 2
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "spec": {"containers": [{"name": "app", "image": "example.com/app:1"}]},
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": {"app": self.name, **inject}, "annotations": inject},
        }
        done = self.bed.kubectl("apply", "-f", "-", stdin=json.dumps(pod))
        if done.returncode:
            raise RuntimeError(f"the pod {self.namespace}/{self.name} was refused: {done.stderr}")

    def call(self, url: str) -> str:
        """200, or what came instead."""
        done = self.bed.kubectl(
            "exec", "-n", self.namespace, self.name, "-c", "app", "--", "curl", "-s", "-m", "20", "-w", "\n%{http_code}", url
        )
        body, _newline, code = done.stdout.rpartition("\n")
        return code if code == "200" else f"{code} {body[:80]} {done.stderr[:80]}".strip()

    @contextmanager
    def calling(self, urls: Mapping[str, str]) -> Iterator[Counter[tuple[str, str]]]:
        """urls: by the names of what is called. Yields how often each of them answered what."""
        seen: Counter[tuple[str, str]] = Counter()
        turns = itertools.cycle(urls.items())

        def turn() -> None:
            name, url = next(turns)
            seen[name, self.call(url)] += 1

        with meanwhile(turn):
            yield seen


def made_anew(bed: Bed, *namespaces: str) -> None:
    """Their Deployments are restarted and waited for: pods that were there before they asked for an Envoy are ready without it."""
    for words in (("restart",), ("status", "--timeout=300s")):
        for namespace in namespaces:
            done = bed.kubectl("rollout", words[0], "deployment", "-n", namespace, *words[1:], timeout=330.0)
            if done.returncode:
                raise RuntimeError(f"the Deployments of {namespace}: {done.stderr}")
