# SPDX-License-Identifier: GPL-3.0-or-later
"""What istiod gives a proxy (its dump of a proxy's configuration) and what the evaluator makes, in the same words, so that they compare.

Compared are listeners with their filter chains, route configurations with virtual hosts and routes, and which clusters there are. How a
route is retried, or a cluster is balanced, is in the recorded cases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._routing.evaluate import ProxyConfig
from ansible_collections.meshops.mesh.plugins.module_utils._routing.listeners import Chain
from ansible_collections.meshops.mesh.plugins.module_utils._routing.routes import HeaderMatch, HttpRoute

__all__ = ["Config", "differences", "of_evaluator", "of_istiod", "route_names"]

_INBOUND = ("virtualInbound",)
_TCP, _HTTP = "tcp_proxy", "http_connection_manager"
Obj = Mapping[str, Any]
Config = dict[str, Any]


def _camel(value: Any) -> Any:
    """Fields as JSON names them, whichever way they were written."""
    if isinstance(value, dict):
        return {_word(key): _camel(one) for key, one in value.items()}
    return [_camel(one) for one in value] if isinstance(value, list) else value


def _word(key: str) -> str:
    head, *rest = key.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest) if head and not key.startswith("@") else key


def _dynamic(dump: Obj, kind: str, rows: str) -> list[Obj]:
    return [row for config in dump.get("configs", ()) if str(config.get("@type", "")).endswith(kind) for row in config.get(rows, ())]


# of istiod


def _text(match: Obj) -> tuple[str, str]:
    for form in ("exact", "prefix"):
        if form in match:
            return form, str(match[form])
    return ("regex", str(match["safeRegex"].get("regex", ""))) if "safeRegex" in match else ("present", "")


def _criterion(row: Obj, name: str) -> tuple[Any, ...]:
    form, value = _text(row["stringMatch"]) if "stringMatch" in row else ("present", "")
    return name, form, value, bool(row.get("invertMatch")), bool(row.get("treatMissingHeaderAsEmpty"))


def _path(match: Obj) -> tuple[str, str]:
    for field, form in (("prefix", "prefix"), ("path", "exact"), ("pathSeparatedPrefix", "separated")):
        if field in match:
            return form, str(match[field])
    return "regex", str(match.get("safeRegex", {}).get("regex", ""))


def _weighted(rows: Iterable[Obj]) -> tuple[tuple[str, int], ...]:
    return tuple((str(row["name"]), int(row.get("weight", 0))) for row in rows)


def _action(route: Obj) -> tuple[Any, ...]:
    if "route" in route:
        target = route["route"]
        if "weightedClusters" in target:
            return ("clusters", _weighted(target["weightedClusters"].get("clusters", ())))
        return ("clusters", ((str(target.get("cluster", "")), None),))
    if "redirect" in route:
        return ("redirect",)
    return ("direct", int(route["directResponse"].get("status", 0))) if "directResponse" in route else ("none",)


def _route(route: Obj) -> tuple[Any, ...]:
    match = route.get("match", {})
    headers = frozenset(_criterion(row, str(row["name"]).lower()) for row in match.get("headers", ()))
    query = frozenset(_criterion(row, str(row["name"])) for row in match.get("queryParameters", ()))
    return _path(match), match.get("caseSensitive") is False, headers, query, _action(route)


def _hosts(config: Obj) -> dict[str, Any]:
    return {
        str(host["name"]): (sorted(str(domain).lower() for domain in host.get("domains", ())),
                            [_route(route) for route in host.get("routes", ())], bool(host.get("requireTls")))
        for host in config.get("virtualHosts", ())
    }  # fmt: skip


def _chain(chain: Obj) -> tuple[Any, ...]:
    match = chain.get("filterChainMatch") or {}
    networks = sorted(f"{row['addressPrefix']}/{row.get('prefixLen', 0)}" for row in match.get("prefixRanges", ()))
    goes: Any = None
    for one in chain.get("filters", ()):
        typed = one.get("typedConfig", {})
        if str(one.get("name", "")).endswith(_TCP):
            clusters = typed.get("weightedClusters", {}).get("clusters")
            goes = ("clusters", _weighted(clusters) if clusters else ((str(typed.get("cluster", "")), None),))
        if str(one.get("name", "")).endswith(_HTTP):
            goes = ("routes", str(typed["rds"].get("routeConfigName", "")) if "rds" in typed else "")
    return (
        tuple(sorted(map(str, match.get("serverNames", ())))), tuple(networks), tuple(match.get("applicationProtocols", ())),
        str(match.get("transportProtocol", "")), int(match.get("destinationPort", 0) or 0), "transportSocket" in chain, goes,
    )  # fmt: skip


def _listener(listener: Obj) -> dict[str, Any]:
    default = listener.get("defaultFilterChain")
    return {"chains": [_chain(chain) for chain in listener.get("filterChains", ())], "default": _chain(default)[-1] if default else None}


def of_istiod(dump: Any) -> Config:
    """Of /debug/config_dump."""
    dump = _camel(dump)
    listeners = [row["activeState"]["listener"] for row in _dynamic(dump, "ListenersConfigDump", "dynamicListeners")]
    routes = [row["routeConfig"] for row in _dynamic(dump, "RoutesConfigDump", "dynamicRouteConfigs")]
    clusters = [row["cluster"] for row in _dynamic(dump, "ClustersConfigDump", "dynamicActiveClusters")]
    return {
        "listeners": {str(one["name"]): _listener(one) for one in listeners if one["name"] not in _INBOUND},
        "routes": {str(one["name"]): _hosts(one) for one in routes},
        "clusters": {str(one["name"]) for one in clusters},
    }


def route_names(config: Config) -> list[str]:
    """The route configurations that its listeners ask for."""
    chains = [chain[-1] for listener in config["listeners"].values() for chain in listener["chains"]]
    chains += [listener["default"] for listener in config["listeners"].values()]
    return sorted({goes[1] for goes in chains if goes and goes[0] == "routes" and goes[1]})


# of the evaluator


def _ours_criterion(one: HeaderMatch, name: str) -> tuple[Any, ...]:
    return name, one.text.form, one.text.value, one.inverted, one.absent_is_empty


def _ours_route(route: HttpRoute) -> tuple[Any, ...]:
    action: tuple[Any, ...] = ("none",)
    if route.action == "route":
        action = ("clusters", tuple((one.name, one.weight) for one in route.clusters))
    elif route.action == "redirect":
        action = ("redirect",)
    elif route.action == "direct_response":
        action = ("direct", route.status)
    headers = frozenset(_ours_criterion(one, one.name.lower()) for one in route.headers)
    return (
        (route.path.form, route.path.value),
        route.ignore_case,
        headers,
        frozenset(_ours_criterion(one, one.name) for one in route.query),
        action,
    )


def _goes(chain: Chain) -> Any:
    return ("routes", chain.routes) if chain.routes is not None else ("clusters", chain.clusters)


def _networks(chain: Chain) -> Iterator[str]:
    for text in chain.networks:
        yield text if "/" in text else f"{text}/32"


def _ours_chain(chain: Chain) -> tuple[Any, ...]:
    names = tuple(sorted(name for name in chain.sni if name != "*"))
    return names, tuple(sorted(_networks(chain))), chain.alpn, chain.transport, chain.port, chain.tls is not None, _goes(chain)


def of_evaluator(made: ProxyConfig, names: Iterable[str]) -> Config:
    """names: the route configurations that are asked for."""
    listeners = {}
    for listener in made.listeners.every():
        default = _goes(listener.default) if listener.default is not None else None
        listeners[listener.name] = {"chains": [_ours_chain(chain) for chain in listener.chains], "default": default}
    routes = {}
    for name in names:
        hosts = made.routes.table(name).hosts
        routes[name] = {host.name: (sorted(domain.lower() for domain in host.domains), [_ours_route(one) for one in host.routes],
                                    host.needs_tls) for host in hosts}  # fmt: skip
    return {"listeners": listeners, "routes": routes, "clusters": made.clusters}


def _each(where: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*theirs, *ours}):
        if theirs.get(name) != ours.get(name):
            yield f"{where} {name}: istiod {theirs.get(name)}, ours {ours.get(name)}"


def _reached(config: Config) -> set[str]:
    goes = [chain[-1] for listener in config["listeners"].values() for chain in listener["chains"]]
    goes += [listener["default"] for listener in config["listeners"].values()]
    goes += [route[-1] for hosts in config["routes"].values() for _domains, routes, _tls in hosts.values() for route in routes]
    return {name for one in goes if one and one[0] == "clusters" for name, _weight in one[1]}


def differences(istiod: Config, ours: Config) -> list[str]:
    """What is otherwise, in lines."""
    found = list(_each("listener", istiod["listeners"], ours["listeners"]))
    for name in sorted({*istiod["routes"], *ours["routes"]}):
        found += _each(f"routes {name}:", istiod["routes"].get(name, {}), ours["routes"].get(name, {}))
    named = {name for name in istiod["clusters"] if name.startswith(("outbound|", "outbound_."))} | _reached(istiod)
    for name in sorted(named):
        there = name in istiod["clusters"]
        if (ours["clusters"].get(name) is not None) is not there:
            found.append(f"cluster {name}: istiod {'has it' if there else 'does not have it'}, ours the other way round")
    return found
