# SPDX-License-Identifier: GPL-3.0-or-later
"""The hops to a target, and what the operator has to become before each."""

from __future__ import annotations

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.versions import parse
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.fleet import Fleet, fleet_of
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.route import Route, UpgradeRequest, refusal_of_steps, route_of
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.rules import HOPS, SKEW, distance, hops_for, kubernetes_for, lines_of

from upgrade.world import deployment, istio, obj, revision, snapshot


def fleet(
    version: str,
    *,
    strategy: str = "InPlace",
    operator: str = "",
    hops: tuple[str, ...] = (),
    ambient: bool = False,
    package: str = "sailoperator",
    offered: tuple[str, ...] = (),
    channel: str = "stable",
) -> Fleet:
    """A mesh of one Istio named prod, with its operator."""
    name = "prod" if strategy == "InPlace" else f"prod-{version.replace('.', '-')}"
    objects = [
        istio("prod", version, updateStrategy={"type": strategy}, status={"activeRevisionName": name}),
        revision(name, version, istio_name="prod"),
    ]
    if ambient:
        objects.append(obj("v1", "Namespace", "shop", labels={"istio.io/dataplane-mode": "ambient"}))
    if operator:
        spec = {"name": package, "channel": channel, "source": "catalog", "sourceNamespace": "olm", "installPlanApproval": "Manual"}
        objects.append(
            obj(
                "operators.coreos.com/v1alpha1",
                "Subscription",
                "operators/mesh",
                spec=spec,
                status={"installedCSV": operator, "currentCSV": operator},
            )
        )
    if hops:
        row = {"name": channel, "currentCSV": hops[-1], "entries": [{"name": csv} for csv in reversed(hops)]}
        objects.append(
            obj(
                "packages.operators.coreos.com/v1",
                "PackageManifest",
                f"olm/{package}",
                status={"catalogSource": "catalog", "channels": [row]},
            )
        )
    notes = {f"images.v{text.replace('.', '_')}.istiod": f"r/pilot:{text}" for text in offered}
    objects.append(deployment("operators/operator", annotations=notes))
    return fleet_of(snapshot(*objects))


def hops(route: Route) -> list[str]:
    return [hop.text for hop in route.hops]


@pytest.mark.parametrize(
    ("mesh", "current", "target", "wanted"),
    [
        (("sail", "InPlace", False), "v1.29.4", "v1.29.6", ["v1.29.6"]),
        (("sail", "InPlace", False), "v1.28.4", "v1.31.0", ["v1.29-latest", "v1.30-latest", "v1.31.0"]),
        (("sail", "RevisionBased", False), "v1.28.4", "v1.30.3", ["v1.30.3"]),
        (("sail", "RevisionBased", False), "v1.28.4", "v1.31.0", ["v1.30-latest", "v1.31.0"]),
        # ztunnel may be one minor behind only
        (("sail", "RevisionBased", True), "v1.28.4", "v1.30.3", ["v1.29-latest", "v1.30.3"]),
        # OpenShift Service Mesh counts its own minors: 3.0, 3.1, 3.2 are Istio 1.24, 1.26, 1.27
        (("ossm3", "InPlace", False), "v1.24.3", "v1.27.3", ["v1.26-latest", "v1.27.3"]),
        (("ossm3", "RevisionBased", False), "v1.24.3", "v1.27.3", ["v1.27.3"]),
        (("ossm3", "RevisionBased", True), "v1.24.3", "v1.27.3", ["v1.26-latest", "v1.27.3"]),
        (("sail", "InPlace", False), "v1.29.4", "1.30", ["v1.30-latest"]),
        (("sail", "InPlace", False), "v1.29.4", "1.30.1", ["v1.30.1"]),
        (("sail", "InPlace", False), "v1.29.4", "v1.29.4", []),
        # within a minor it may go back
        (("sail", "InPlace", False), "v1.29.4", "v1.29.1", ["v1.29.1"]),
    ],
)
def test_hops(mesh: tuple[str, str, bool], current: str, target: str, wanted: list[str]) -> None:
    provider, strategy, ambient = mesh
    route = route_of(fleet(current, strategy=strategy, ambient=ambient), UpgradeRequest(target, provider=provider))
    assert (hops(route), route.refusal) == (wanted, "")


def test_the_newest_patch_that_the_operator_has_is_between() -> None:
    given = fleet("v1.28.4", offered=("1.28.10", "1.29.6", "1.29.10", "1.30.0-beta.1", "1.30.3"))
    assert hops(route_of(given, UpgradeRequest("v1.30.3"))) == ["v1.29.10", "v1.30.3"]


def test_a_mesh_of_the_second_generation_goes_minor_by_minor() -> None:
    given = fleet_of(
        snapshot(obj("maistra.io/v2", "ServiceMeshControlPlane", "mesh/basic", spec={"version": "v2.4"}, status={"chartVersion": "2.4.7"}))
    )
    route = route_of(given, UpgradeRequest("v2.6"))
    assert (hops(route), route.provider, route.istio) == (["v2.5", "v2.6"], "ossm2", ((1, 16), (1, 20)))
    assert [hop.revision for hop in route.hops] == ["basic", "basic"]


def test_names_of_revisions() -> None:
    assert [hop.revision for hop in route_of(fleet("v1.29.4", strategy="RevisionBased"), UpgradeRequest("v1.30.3")).hops] == [
        "prod-v1-30-3"
    ]
    assert [hop.revision for hop in route_of(fleet("v1.29.4", strategy="RevisionBased"), UpgradeRequest("v1.30-latest")).hops] == [
        "prod-v1-30-"
    ]
    assert [hop.revision for hop in route_of(fleet("v1.29.4"), UpgradeRequest("v1.30.3")).hops] == ["prod"]


@pytest.mark.parametrize(
    ("current", "target", "operator", "wanted"),
    [
        # the operator has it already
        ("v1.29.4", "v1.30.3", "sailoperator.v1.30.3", [None]),
        ("v1.29.4", "v1.30.3", "sailoperator.v1.29.6", [(1, 30)]),
        # 1.31 would drop 1.28: the control plane goes to 1.29 first, with the operator that has both
        ("v1.28.4", "v1.31.0", "sailoperator.v1.28.9", [(1, 30), None, (1, 31)]),
        ("v1.29.4", "v1.31.0", "sailoperator.v1.29.6", [(1, 31), None]),
    ],
)
def test_the_operator_never_drops_what_runs(current: str, target: str, operator: str, wanted: list[tuple[int, int] | None]) -> None:
    route = route_of(fleet(current, operator=operator), UpgradeRequest(target))
    assert [hop.operator.line if hop.operator else None for hop in route.hops] == wanted


CSVS = tuple(f"servicemeshoperator3.v{version}" for version in ("3.0.0", "3.0.1", "3.1.0", "3.2.0"))


def test_the_csvs_on_the_way() -> None:
    given = fleet("v1.24.3", operator=CSVS[0], hops=CSVS, package="servicemeshoperator3")
    route = route_of(given, UpgradeRequest("v1.26.2"))
    assert route.provider == "ossm3"
    way = route.hops[0].operator
    assert way is not None and (way.line, way.csvs, way.channel) == ((1, 26), CSVS[1:3], "")


def test_a_channel_that_ends_before() -> None:
    given = fleet("v1.24.3", operator=CSVS[0], hops=CSVS[:2], package="servicemeshoperator3")
    way = route_of(given, UpgradeRequest("v1.27.3", strategy="RevisionBased")).hops[0].operator
    assert way is not None and way.channel == "stable-3.2"
    sail = fleet("v1.29.4", operator="sailoperator.v1.29.6", hops=("sailoperator.v1.29.6",), channel="1.29-nightly")
    way = route_of(sail, UpgradeRequest("v1.30.3")).hops[0].operator
    assert way is not None and way.channel == "stable"


def test_where_nobody_says_what_a_channel_has_no_other_one_is_named() -> None:
    way = route_of(fleet("v1.29.4", operator="sailoperator.v1.29.6", channel="1.29-nightly"), UpgradeRequest("v1.30.3")).hops[0].operator
    assert way is not None and (way.channel, way.csvs) == ("", ())


def test_the_operator_of_the_second_generation_comes_along() -> None:
    spec = {"name": "servicemeshoperator", "channel": "stable", "source": "c", "sourceNamespace": "olm", "installPlanApproval": "Manual"}
    given = fleet_of(
        snapshot(
            obj("maistra.io/v2", "ServiceMeshControlPlane", "mesh/basic", spec={"version": "v2.4"}, status={"chartVersion": "2.4.7"}),
            obj(
                "operators.coreos.com/v1alpha1",
                "Subscription",
                "operators/mesh",
                spec=spec,
                status={"installedCSV": "servicemeshoperator.v2.4.7"},
            ),
        )
    )
    ways = [hop.operator for hop in route_of(given, UpgradeRequest("v2.6")).hops]
    assert [way.line if way else None for way in ways] == [(2, 6), None]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("v1.28.9", "downgrade across a minor"),
        ("v3.2", "takes versions of Istio, not of the product: v3.2; OpenShift Service Mesh 3.2 is Istio 1.27"),
        ("v9.99.9", "there is no Istio v9.99.9 as far as is known"),
        ("v1.300.1", "there is no Istio v1.300.1 as far as is known"),
    ],
)
@pytest.mark.parametrize("package", ["sailoperator", "servicemeshoperator3"])
def test_what_is_refused(target: str, text: str, package: str) -> None:
    route = route_of(fleet("v1.29.4", operator=f"{package}.v1.29.0", package=package), UpgradeRequest(target))
    assert text in route.refusal and route.hops == ()


@pytest.mark.parametrize(("target", "offered"), [("v1.33.0", ()), ("v1.44.0", ("1.29.4", "1.44.0")), ("v1.44.1", ("1.44.0",))])
def test_a_version_newer_than_this_release_of_ours_is_planned(target: str, offered: tuple[str, ...]) -> None:
    route = route_of(fleet("v1.29.4", offered=offered), UpgradeRequest(target))
    assert not route.refusal and route.hops[-1].text == target


def test_a_version_that_nobody_offers_is_unknown_beside_one_that_is() -> None:
    assert "no Istio" in route_of(fleet("v1.29.4", offered=("1.29.4", "1.44.0")), UpgradeRequest("v1.45.0")).refusal


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        (UpgradeRequest("latest"), "target 'latest' is not a version"),
        (
            UpgradeRequest("v1.30.3", name="other"),
            "west: there is no control plane other; found: Istio prod; say which by control_plane.name",
        ),
    ],
)
def test_mistakes(wish: UpgradeRequest, text: str) -> None:
    with pytest.raises(ConfigError, match=text.replace(".", r"\.")):
        route_of(fleet("v1.29.4"), wish)


def test_which_of_two_control_planes() -> None:
    both = fleet_of(snapshot(istio("a"), istio("b")))
    with pytest.raises(ConfigError, match="2 control planes fit; found: Istio a, Istio b"):
        route_of(both, UpgradeRequest("v1.30.3"))
    assert route_of(both, UpgradeRequest("v1.30.3", name="b")).plane.name == "b"


def test_an_alias_is_what_its_revision_has() -> None:
    follows = istio("prod", "v1.29-latest", status={"activeRevisionName": "prod"})
    given = fleet_of(snapshot(follows, revision("prod", "v1.29.5", istio_name="prod")))
    assert str(route_of(given, UpgradeRequest("v1.29.6")).current) == "v1.29.5"


def test_the_rules_are_whole() -> None:
    for provider in ("sail", "ossm3"):
        for strategy in ("InPlace", "RevisionBased"):
            for ambient in (True, False):
                assert hops_for(provider, strategy, ambient=ambient).source.startswith("https://")
    assert hops_for("ossm2", "InPlace", ambient=True).minors == 1
    assert all(row.source.startswith("https://") for row in (*HOPS, *SKEW))
    pairs = {("1.24.3", "1.26.2"): 1, ("1.27.0", "1.24.3"): -2, ("1.26.1", "1.26.2"): 0}
    assert {pair: distance("ossm3", *map(parse, pair)) for pair in pairs} == pairs  # type: ignore[arg-type]
    assert lines_of("sail", (1, 29), (1, 31)) == [(1, 29), (1, 30), (1, 31)]
    assert (kubernetes_for((1, 30)), kubernetes_for((1, 40)), kubernetes_for((1, 10))) == (32, 32, None)


@pytest.mark.parametrize(
    ("mesh", "versions", "says"),
    [
        # aliases at either end and at both
        (("sail", "InPlace", False), ["v1.29-latest", "v1.29.4"], ""),
        (("sail", "InPlace", False), ["v1.29-latest", "v1.30.3"], ""),
        (("sail", "InPlace", False), ["v1.29.3", "v1.30-latest"], ""),
        (("sail", "InPlace", False), ["v1.29.3", "v1.29-latest"], ""),
        (("sail", "InPlace", False), ["v1.29-latest", "v1.30-latest", "v1.31.0"], ""),
        (("sail", "InPlace", False), ["v1.30-latest", "v1.29-latest"], "is a minor version below v1.30-latest"),
        (("sail", "InPlace", False), ["v1.29-latest", "v1.31-latest"], "from v1.29-latest to v1.31-latest skips a minor version"),
        (("sail", "InPlace", False), ["v1.29.3"], ""),
        # the product's own minors: 3.0, 3.1, 3.2 are Istio 1.24, 1.26, 1.27
        (("ossm3", "InPlace", False), ["v1.24-latest", "v1.26.2", "v1.27.3"], ""),
        (("ossm3", "InPlace", False), ["v1.24.6", "v1.27.3"], "skips a minor version"),
        (("ossm3", "RevisionBased", False), ["v1.24.6", "v1.27-latest"], ""),
        (("ossm3", "RevisionBased", True), ["v1.24.6", "v1.27-latest"], "skips a minor version"),
        (("sail", "RevisionBased", False), ["v1.28-latest", "v1.31.0"], "is more than 2 minor versions at once"),
        (("ossm2", "InPlace", False), ["v2.4", "v2.5", "v2.6"], ""),
        (("ossm2", "InPlace", False), ["v2.4", "v2.6"], "skips a minor version"),
        # what is no way at all
        (("ossm2", "InPlace", False), ["v2.6", "v1.27.3"], "another generation, which no upgrade reaches: see migrate_mesh"),
        (("ossm3", "InPlace", False), ["v1.26.2", "v3.2"], "another generation, which no upgrade reaches: see migrate_mesh (OpenShift "
                                                           "Service Mesh 3.2 is Istio 1.27)"),
        (("sail", "InPlace", False), ["v1.30.3", "newest"], "newest is not a version; expected one such as v1.30.3, the alias"),
        (("sail", "InPlace", False), ["master", "v1.30.3"], "master is not a version"),
        (("sail", "InPlace", False), ["", "v1.30.3"], "nothing is not a version"),
    ],
)  # fmt: skip
def test_steps_are_judged_by_minors(mesh: tuple[str, str, bool], versions: list[str], says: str) -> None:
    provider, strategy, ambient = mesh
    found = refusal_of_steps(versions, hops_for(provider, strategy, ambient=ambient))
    assert says in found and bool(says) is bool(found)
