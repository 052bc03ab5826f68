# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Checks of the control_plane category about what istiod needs of others: clusters of its networks, keys of tokens, the Gateway API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .._checks.types import Options
from .._model import kinds as k
from .._model.fields import is_of, section, sections
from .._model.intent import ISTIO_ONLY, Intent
from .._model.istiods import READS, istiods, istiods_of_mesh
from .._model.mesh_config import MeshConfig, istiod_deployment
from .._model.mesh_networks import network_clusters
from .._model.problem import Problem, Severity, skip
from .._model.versions import minor, parse
from .._model.view import Obj, View
from .._text import counted, shortened
from .checks import CATEGORY

check = CATEGORY.check

__all__: list[str] = []

_REMOTE = "istio/multiCluster"  # the label of a Secret by which an istiod reads another cluster; its keys are the clusters' names
_DEFAULT_CLUSTER = "Kubernetes"
_SHOWN = 5


@check(
    "OSM1241",
    title="each cluster of MeshNetworks is one that istiod knows",
    hint="correct fromRegistry to the cluster's name (global.multiCluster.clusterName there), or let istiod read that cluster: istioctl "
    "create-remote-secret --name CLUSTER",
    severity=Severity.WARNING,
    inputs=(*READS, k.SECRET),
    live=False,
    subjects=(k.CONFIG_MAP, k.ISTIO, k.ISTIO_REVISION, k.ISTIO_OPERATOR, k.SMCP),
    equivalents=("IST0126",),
)
def networks_known(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Names are compared as they are. Pods of a cluster that no network names count as pods of the caller's own: it calls addresses that it
    cannot reach, instead of the gateway of their network."""
    named = list(network_clusters(row.raw for kind in READS for row in view.of(kind)))
    own = {str(name) for one in istiods(view) if (name := one.flags.get("CLUSTER_ID"))} | _said_names(view)
    remote = [row for row in view.of(k.SECRET) if row.labels.get(_REMOTE) == "true"]
    known = own or {_DEFAULT_CLUSTER}
    for row in remote:
        known |= {*section(row.raw, "data"), *section(row.raw, "stringData")}
    if not named:
        yield skip("the source has no MeshNetworks")
    elif not remote and view.source != "manifests":
        yield skip("which other clusters istiod reads is not known: the Secrets for that are not read, as they are logins")
        return
    perhaps = "" if own else ", and nothing says that this cluster has that name"
    for one in sorted(named, key=lambda one: (one.source, one.network)):
        if one.cluster not in known:
            text = f"network {one.network} has the pods of cluster {one.cluster}, and no Secret with the label {_REMOTE} is for it{perhaps}"
            yield Problem(one.source, f"{text}: of the clusters {', '.join(sorted(known))} only")


def _said_names(view: View) -> set[str]:
    """What custom resources call their own cluster."""
    rows = [row for kind in (k.ISTIO, k.ISTIO_REVISION, k.ISTIO_OPERATOR) for row in view.of(kind)]
    names = [section(row.raw, "spec", "values", "global", "multiCluster").get("clusterName") for row in rows]
    return {str(name) for name in (*names, *(section(row.raw, "spec", "cluster").get("name") for row in view.of(k.SMCP))) if name}


@check(
    "OSM1242",
    title="each istiod fetches the keys of tokens from where it may",
    hint="name the addresses that istiod is not to call, in the values of its chart: pilot: {env: {BLOCKED_CIDRS_IN_JWKS_URIS: "
    "'169.254.0.0/16,127.0.0.0/8'}}; or write the keys into jwtRules[].jwks",
    severity=Severity.INFO,
    inputs=(k.REQUEST_AUTHENTICATION, k.DEPLOYMENT),
    providers=("ossm3", "sail", ISTIO_ONLY),
    live=False,
    subjects=(k.REQUEST_AUTHENTICATION,),
    equivalents=("IST0175",),
)
def keys_from_allowed_places(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """istiod itself fetches jwksUri, or the issuer's description. Whoever may write a RequestAuthentication has it call any address that it
    reaches: metadata of the cloud, services of other namespaces."""
    fetching = [row.ref for row in intent.owned(view.of(k.REQUEST_AUTHENTICATION)) if _fetches(row)]
    for row in view.of(k.DEPLOYMENT) if fetching else ():
        if not istiod_deployment(row.raw) or intent.namespace not in ("", row.namespace) or _blocks(row):
            continue
        text = f"it fetches keys for {counted(len(fetching), 'object')} ({shortened(fetching, _SHOWN)}) from any address"
        yield Problem(row.ref, f"{text}: BLOCKED_CIDRS_IN_JWKS_URIS is not set")


def _fetches(row: Obj) -> bool:
    return any(not rule.get("jwks") and (rule.get("jwksUri") or rule.get("issuer")) for rule in sections(row.items("spec", "jwtRules")))


def _blocks(istiod: Obj) -> bool:
    """An environment that was left out of a snapshot says nothing."""
    containers = sections(istiod.items("spec", "template", "spec", "containers"))
    variables = [one for container in containers for one in sections(container.get("env"))]
    return any(one.get("name") == "BLOCKED_CIDRS_IN_JWKS_URIS" and (one.get("value") or one.get("valueFrom")) for one in variables)


_BUNDLE, _GATEWAY_API = "gateway.networking.k8s.io/bundle-version", "gateway.networking.k8s.io"
# The oldest release of the Gateway API of which an istiod reads a kind, by the first Istio that is so strict
# (pkg/config/schema/gatewayapi/minimumversions.go in Istio's source).
_OLDEST = {
    "grpcroutes": ((1, 31), "1.1.0"),
    "backendtlspolicies": ((1, 31), "1.4.0"),
    "tlsroutes": ((1, 31), "1.5.0"),
    "tcproutes": ((1, 31), "1.6.0"),
}


@check(
    "OSM1243",
    title="each kind of the Gateway API has a version that istiod reads",
    hint="install a newer bundle of the Gateway API, standard or experimental, before istiod is upgraded; OpenShift brings its own",
    severity=Severity.WARNING,
    inputs=READS,
    live=False,
    equivalents=("IST0156", "IST0172", "IST0176"),
)
def gateway_api_current(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """istiod passes an older definition over, and says so in its log only: the objects are stored, and no proxy serves them. Asked of the
    definitions that a source has: a check of a cluster does not list them, the plan of an upgrade does."""
    configs = istiods_of_mesh(view, intent)
    raw = [row for row in view.others(READS) if is_of(row, k.CRD.kind, k.CRD.group)]
    definitions = [row for row in (Obj.from_dict(k.CRD, one) for one in raw) if row.name.endswith(f".{_GATEWAY_API}")]
    if not definitions:
        yield skip("the source has no definition of the Gateway API")
    for row in definitions:
        since, oldest = _OLDEST.get(row.name.partition(".")[0], ((0, 0), ""))
        bundle, wanted = parse(row.annotations.get(_BUNDLE, "")), parse(oldest)
        if bundle is None or wanted is None or (*bundle.line, bundle.patch or 0) >= (*wanted.line, wanted.patch or 0):
            continue
        asking = sorted(_asking(configs, since))
        if asking or not configs:
            who = " and ".join(asking) or f"Istio {since[0]}.{since[1]}"
            has = row.annotations[_BUNDLE]
            yield Problem(row.ref, f"it is of Gateway API {has}, and {who} reads it from {oldest} on: no object of it is served")


def _asking(configs: Iterable[MeshConfig], since: tuple[int, int]) -> Iterator[str]:
    """The istiods that are so strict, by their versions; one of an unknown version is taken to be new."""
    for one in configs:
        own = minor(one.version) if one.version else None
        if own is None or own >= since:
            yield f"istiod {one.name}" + (f" ({one.version})" if one.version else "")
