# SPDX-License-Identifier: GPL-3.0-or-later
"""The pieces: bytes to certificates, hosts, SPIFFE ids, chains in order, live proxies, and what an endpoint should serve."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.filter.certificate_chain import certificate_chain
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.endpoint import meaning_of
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.facts import AlternativeNames, FaultKind
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.inventory import Given, InspectionSettings, take
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.names import covers, parse_spiffe, short, spiffe_problem
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.reading import public_part, read_bundle
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.source import Source, of_proxy
from ansible_collections.meshops.mesh.plugins.modules import certificate_check
from checks.builder import build

from .material import NOW
from .named import HOST, content, expand, named
from .running import run, served


@pytest.mark.parametrize(
    ("data", "count", "words"),
    [
        (content("leaf+middle"), 2, set()),
        (b"some text before\n" + content("leaf") + b"and behind\n", 1, set()),
        (content("leaf").replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"), 1, set()),
        (content("leaf").decode().encode("utf-16"), 1, {FaultKind.BOM}),
        (content("bom"), 1, {FaultKind.BOM}),
        (content("crlf"), 1, {FaultKind.CRLF}),
        (content("garbage+leaf"), 1, {FaultKind.UNREADABLE}),
        (content("leaf+cut"), 1, {FaultKind.UNREADABLE}),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", 0, {FaultKind.UNREADABLE}),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", 0, {FaultKind.UNREADABLE}),
        (b"\x30\x82\x01\x00garbage", 0, {FaultKind.UNREADABLE}),
        (content("der"), 1, {FaultKind.DER}),
        (b"", 0, {FaultKind.EMPTY}),
        (b"\xef\xbb\xbf", 0, {FaultKind.BOM, FaultKind.EMPTY}),
        (b"\x00\xff" * 100, 0, {FaultKind.UNREADABLE}),
        (content("leaf+leaf_key"), 1, {FaultKind.KEY_IN_PUBLIC}),
        (content("big"), 0, {FaultKind.TOO_LARGE}),
    ],
)
def test_bytes_become_certificates_and_faults(data: bytes, count: int, words: set[FaultKind]) -> None:
    bundle = read_bundle(data, "x")
    assert len(bundle.certificates) == count and {fault.kind for fault in bundle.faults} == words


@pytest.mark.parametrize("names", ["leaf_key", "leaf+leaf_key+middle", "leaf_key+leaf"])
def test_the_public_part_has_no_key(names: str) -> None:
    kept = public_part(content(names))
    assert b"PRIVATE" not in kept and len(read_bundle(kept, "x").certificates) == names.count("+") + 1 - names.count("leaf_key")


@pytest.mark.parametrize(
    ("names", "host", "expected"),
    [
        (("a.example.com",), "a.example.com", True),
        (("A.Example.com",), "a.example.COM.", True),
        (("*.example.com",), "a.example.com", True),
        (("*.example.com",), "example.com", False),
        (("*.example.com",), "a.b.example.com", False),
        (("*.example.com",), "*.example.com", True),
        (("a.example.com",), "*.example.com", False),
        (("*.com",), "example.com", False),
        (("a*.example.com",), "ab.example.com", False),
        (("*",), "localhost", False),
        (("10.0.0.1",), "10.0.0.1", False),
    ],
)
def test_hosts_are_covered_as_clients_see_it(names: tuple[str, ...], host: str, expected: bool) -> None:
    assert covers(AlternativeNames(dns=names), host) is expected


def test_addresses_are_covered_by_addresses() -> None:
    assert covers(AlternativeNames(addresses=("10.0.0.1", "2001:db8::1")), "2001:DB8:0::1") and not covers(
        AlternativeNames(addresses=("10.0.0.1",)), "10.0.0.2"
    )


@pytest.mark.parametrize(
    ("uri", "good"),
    [
        ("spiffe://cluster.local/ns/shop/sa/cart", True),
        ("spiffe://cluster.local", True),
        ("https://cluster.local/ns/shop/sa/cart", False),
        ("spiffe:///ns/shop/sa/cart", False),
        ("spiffe://cluster.local:8080/ns/a/sa/b", False),
        ("spiffe://cluster.local/ns//sa/b", False),
        ("spiffe://cluster.local/ns/../sa/b", False),
        ("spiffe://cluster.local/", False),
        ("spiffe://x/" + "a" * 2048, False),
    ],
)
def test_spiffe_ids(uri: str, good: bool) -> None:
    assert (spiffe_problem(uri) == "") is good


def test_a_workload_is_read_from_istios_form_only() -> None:
    found = parse_spiffe("spiffe://td/ns/shop/sa/cart")
    assert found is not None and (found.trust_domain, found.namespace, found.service_account) == ("td", "shop", "cart")
    assert str(found) == "spiffe://td/ns/shop/sa/cart" and parse_spiffe("spiffe://td/workload/cart") is None


@pytest.mark.parametrize(
    ("text", "others", "options", "expected"),
    [
        ("leaf", ["root+middle"], {}, ["leaf", "middle", "root"]),
        ("leaf+middle", ["other_root+leaf+middle"], {}, ["leaf", "middle"]),
        ("leaf", ["root+middle"], {"with_root": False}, ["leaf", "middle"]),
        ("middle+root", [], {"length": 1}, ["middle"]),
        ("root", [], {"with_root": False}, ["root"]),
        ("crlf", ["middle"], {}, ["leaf", "middle"]),
    ],
)
def test_a_chain_is_put_in_order(text: str, others: list[str], options: dict[str, Any], expected: list[str]) -> None:
    result = certificate_chain(content(text).decode(), [content(other).decode() for other in others], **options)
    assert result == "".join(named(name).pem for name in expected)


@pytest.mark.parametrize(("text", "message"), [("nothing", "no certificate in the input"), (None, "must be PEM text, found NoneType")])
def test_what_is_no_chain_is_refused(text: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        certificate_chain(text)


def faults(*sources: Source) -> dict[str, str]:
    found = take(Given(sources=[Source.from_object(source.to_object()) for source in sources]), InspectionSettings(at=NOW))
    return {fault.kind: f"{fault.resource}: {fault.message}" for fault in found.faults}


def test_live_proxies_have_a_seam() -> None:
    pod = {"metadata": {"namespace": "shop", "name": "cart-1"}, "spec": {"serviceAccountName": "cart"}}
    live, mine = {"chain": content("workload+middle"), "roots": content("root")}, {"namespace": "shop", "service_account": "cart"}
    assert faults(of_proxy(pod, **live, identity={**mine, "trust_domain": "cluster.local"})) == {}
    other = {"namespace": "shop", "service_account": "till", "trust_domain": "td"}
    assert faults(of_proxy(pod, **live, identity=other)).keys() == {"trust_domain", "identity"}
    silent = of_proxy(pod, error="no answer within 5 s")
    assert faults(silent) == {"proxy_silent": "Pod shop/cart-1: no answer within 5 s"}
    assert "unknown_root" in faults(of_proxy(pod, chain=content("workload+middle+root"), roots=content("other_root"), identity=mine))


def test_an_endpoint_must_serve_its_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = build(expand({"Secret istio-system/web-tls": {"data": {"tls.crt": "{b64:leaf+middle}"}}}))
    (tmp_path / "secret.yaml").write_text(yaml.safe_dump(secret))

    def check(port: int, name: str) -> dict[str, str]:
        endpoint = {"host": "127.0.0.1", "port": port, "sni": HOST, "secret": f"istio-system/{name}"}
        arguments = {"at": NOW.isoformat(), "source": "manifests", "path": str(tmp_path), "endpoints": [endpoint], "fail_on": "never"}
        result = run(certificate_check, arguments, capsys)
        return {row["id"]: row["message"] for row in result["checks"] if row["status"] in ("failed", "warning")}

    with served(content("leaf+middle").decode(), named("leaf")) as port:
        assert check(port, "web-tls") == {}
        gone = check(port, "gone")
        assert gone["OSM2501"] == "it does not exist" and "OSM2603" in gone
    with served(content("other_leaf+middle").decode(), named("other_leaf")) as port:
        assert "not the certificate of Secret istio-system/web-tls" in check(port, "web-tls")["OSM2603"]


def test_long_names_are_short_where_that_is_enough() -> None:
    root, other = r"CN=Travel\, Root,O=Travel,C=GB", "CN=Travel Root 2027,O=Travel"
    plain = "O=cluster.local"
    assert short([root, other, plain, root]) == {root: r"Travel\, Root", other: "Travel Root 2027", plain: plain}
    assert short(["CN=root,O=a", "CN=root,O=b"]) == {"CN=root,O=a": "CN=root,O=a", "CN=root,O=b": "CN=root,O=b"}


@pytest.mark.parametrize(
    ("code", "said", "clock"),
    [(9, "certificate is not yet valid", True), (10, "certificate has expired", True), (19, "self-signed certificate in chain", False)],
)
def test_a_certificate_that_is_not_trusted_names_the_clock_where_it_is_the_clock(code: int, said: str, clock: bool) -> None:
    exc = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    exc.verify_code, exc.verify_message = code, said
    text = meaning_of(exc)
    assert text.startswith(f"its certificate is not trusted: {said}")
    assert ("the clock of this control node says 20" in text) is clock


def test_times_are_read_in_one_place() -> None:
    """Whoever decides about a cluster asks `Cluster.now`; the control node's clock is `_model.clock.utc_now`, so that it is found."""
    plugins = Path(certificate_check.__file__).parents[1]
    allowed = {"_model/clock.py", "_model/files.py", "_model/snapshot.py"}  # drafts of files by their age; a tree has no other clock
    found = [
        str(path.relative_to(plugins / "module_utils"))
        for path in sorted(plugins.glob("module_utils/**/*.py"))
        if re.search(r"datetime\.now\(|time\.time\(", path.read_text(encoding="utf-8"))
    ]
    found += [
        path.name
        for path in sorted(plugins.glob("modules/*.py"))
        if re.search(r"datetime\.now\(|time\.time\(", path.read_text(encoding="utf-8"))
    ]
    assert set(found) <= allowed
