# SPDX-License-Identifier: GPL-3.0-or-later
"""Which members are refused before anything changes, and which are none yet and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.filter.member_refusals import member_refusals
from ansible_collections.meshops.mesh.plugins.filter.pending_members import pending_members
from jinja2 import StrictUndefined
from jinja2.exceptions import UndefinedError

HERE: dict[str, Any] = {"mesh_name": "shop", "mesh_kubeconfig": "/k", "mesh_context": "west"}


class Made(Mapping[str, Any]):
    """Variables of a host, some of which are made of what is not defined."""

    def __init__(self, undefined: str, **values: Any) -> None:
        self.values_, self.undefined = values, undefined

    def __getitem__(self, key: str) -> Any:
        if key == self.undefined:
            raise UndefinedError("'nope' is undefined")
        return self.values_[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def domains(*namespaces: Any) -> list[dict[str, Any]]:
    return [{"name": "d", "namespaces": list(namespaces)}]


BOTH = "b would be in two meshes of one cluster: shop (host one) and stock (host two). Take it out of one of the two mesh_domains, or give "
REFUSED: dict[str, tuple[list[str], Mapping[str, Any], list[str]]] = {
    "none": ([], {}, []),
    "each once": (["a", "b"], {}, []),
    "twice": (["a", "b", "a", "b", "a"], {}, ["mesh_domains names a, b more than once: a namespace belongs to one domain. Remove it "]),
    "the control plane's": (["a", "plane"], {}, ["mesh_domains names plane, which is the namespace of the control plane: it is no "]),
    "both": (["plane", "plane"], {}, ["mesh_domains names plane more than once", "mesh_domains names plane, which is"]),
    "another mesh has it": (["a", "b"], HERE | {"mesh_name": "stock", "mesh_domains": domains("c", "b")}, [BOTH]),
    "in a list of a list": (["a", "b"], HERE | {"mesh_name": "stock", "mesh_domains": domains("c", ["b"])}, [BOTH]),
    "another mesh has others": (["a", "b"], HERE | {"mesh_domains": domains("c")}, []),
    "of another context": (["b"], HERE | {"mesh_context": "east", "mesh_domains": domains("b")}, []),
    "of another file": (["b"], HERE | {"mesh_kubeconfig": "/other", "mesh_domains": domains("b")}, []),
    "of another content": (["b"], HERE | {"mesh_kubeconfig": {"clusters": []}, "mesh_domains": domains("b")}, []),
    "without a name": (["b"], {"mesh_kubeconfig": "/k", "mesh_context": "west", "mesh_domains": domains("b")}, ["and ? (host two)"]),
    "without domains": (["b"], HERE, []),
    "no mesh": (["b"], {}, []),
    "its domains are not defined": (["b"], Made("mesh_domains", **HERE), []),
    "its context is a thing that is not there": (["b"], HERE | {"mesh_context": StrictUndefined(), "mesh_domains": domains("b")}, []),
    "its context is not defined": (["b"], Made("mesh_context", mesh_kubeconfig="/k", mesh_domains=domains("b")), []),
}


def refusals(namespaces: list[str], here: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    api = [here.get("mesh_kubeconfig", ""), here.get("mesh_context", "")]
    return member_refusals(namespaces, "shop", "one", "plane", api=api, hosts=["one", "two"], hostvars={"one": here, "two": other})


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    namespaces, other, expected = REFUSED[case]
    found = refusals(namespaces, HERE, other)
    assert len(found) == len(expected) and all(text in line for text, line in zip(expected, found, strict=True)), found


def test_hosts_that_say_nothing_are_one_api() -> None:
    other = {"mesh_name": "stock", "mesh_domains": domains("b")}
    assert len(refusals(["b"], {}, other)) == 1
    assert refusals(["b"], HERE, other) == []


def roll(*rows: Any, configured: Any = ("done",)) -> dict[str, Any]:
    return {"status": {"configuredMembers": list(configured), "memberStatuses": list(rows)}}


def row(namespace: str, *conditions: tuple[str, str]) -> dict[str, Any]:
    return {"namespace": namespace, "conditions": [{"status": status, "message": message} for status, message in conditions]}


UNSEEN = "the operator has not looked at it yet"
PENDING: dict[str, tuple[list[str], Any, list[str]]] = {
    "all are": (["done"], roll(), []),
    "none is wanted": ([], {}, []),
    "no roll": (["a", "b"], {}, [f"a ({UNSEEN})", f"b ({UNSEEN})"]),
    "no status": (["a"], {"status": None}, [f"a ({UNSEEN})"]),
    "nothing is configured": (["a"], {"status": {"configuredMembers": None, "memberStatuses": None}}, [f"a ({UNSEEN})"]),
    "one of two": (["done", "a"], roll(row("a", ("False", "no such namespace"))), ["a (no such namespace)"]),
    "two reasons": (["a"], roll(row("a", ("False", "one"), ("True", "fine"), ("Unknown", "two"))), ["a (one, two)"]),
    "without words": (["a"], roll(row("a", ("False", ""))), [f"a ({UNSEEN})"]),
    "of another one": (["a"], roll(row("b", ("False", "one"))), [f"a ({UNSEEN})"]),
    "the first counts": (["a"], roll(row("a", ("False", "one")), row("a", ("False", "two"))), ["a (one)"]),
    "no line of its own": (["a"], roll(row("a", ("False", "x\n√ all is well"))), ["a (x\\n√ all is well)"]),
    "named twice": (["a", "a"], roll(), [f"a ({UNSEEN})"]),
}


@pytest.mark.parametrize("case", PENDING)
def test_pending(case: str) -> None:
    namespaces, found, expected = PENDING[case]
    assert pending_members(namespaces, found) == expected
