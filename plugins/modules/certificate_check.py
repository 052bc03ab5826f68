#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_check
short_description: Checks certificates wherever a mesh keeps them and says what is wrong with them
version_added: "0.1.0"
description:
  - Reads certificates from files, text, Secrets, ConfigMaps, TLS endpoints and live proxies, or from every place where a mesh keeps one,
    and changes nothing. A cluster, a snapshot and a folder of manifests are read alike.
  - Judges chains as OpenSSL and Go do, and names each fault by a code of its own, with the object and the remedy.
  - Returns the inventory of all certificates that it saw, and the order in which they end.
  - A private key is never part of the result. Of a key only its kind, its size and whether it fits are looked at.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
  - meshops.mesh.options.report
  - meshops.mesh.options.source
options:
  source:
    description:
      - Where O(mesh), O(secrets) and O(config_maps) are read. Nothing is asked of a cluster when none of them is given.
      - A snapshot or a manifest has no private keys, so what concerns keys is skipped there, and says so.
  mesh:
    description:
      - Look at every place where a mesh keeps a certificate. These are C(cacerts), C(istio-ca-secret), the Secrets that Gateways name,
        the ConfigMaps C(istio-ca-root-cert), the CA bundles of istiod's webhooks and inline JWKS.
    type: bool
    default: false
  provider:
    description: The generation of the control plane.
    type: str
    choices: [ossm2, ossm3, sail]
  control_plane:
    description: The control plane as in the variable C(mesh_control_plane); V(name) and V(namespace) are used.
    type: dict
  members:
    description: Namespaces that are in the mesh. All namespaces are looked at when not given.
    type: list
    elements: str
  certificates:
    description: Files or texts. Relative paths are of the working directory.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: How messages call it. The path of the certificate when not given.
        type: str
      certificate:
        description: File with the certificate, and its chain behind it if there is one.
        type: path
      certificate_content:
        description: The same as text.
        type: str
      chain:
        description: File with the chain, when it is apart.
        type: path
      chain_content:
        description: The same as text.
        type: str
      roots:
        description: File with the roots that the chain must end at. O(roots) when not given.
        type: path
      roots_content:
        description: The same as text.
        type: str
      key:
        description: File with the private key.
        type: path
      key_content:
        description: The same as text.
        type: str
      passphrase:
        description: Opens the private key.
        type: str
      purpose:
        description: What the certificate is for. V(ca) is one that signs others.
        type: str
        choices: [any, server, client, ca]
        default: any
      hosts:
        description: Hosts that it must cover.
        type: list
        elements: str
        default: []
      der:
        description: Whether DER is right, too. Otherwise it is a fault.
        type: bool
        default: false
  secrets:
    description: Secrets besides those of O(mesh).
    type: list
    elements: dict
    default: []
    suboptions:
      namespace:
        description: Namespace of the Secret.
        type: str
        required: true
      name:
        description: Name of the Secret.
        type: str
        required: true
      purpose:
        description: What its certificate is for.
        type: str
        choices: [any, server, client, ca]
        default: any
      hosts:
        description: Hosts that it must cover.
        type: list
        elements: str
        default: []
      roots_item:
        description: The item with the roots that its chain must end at. O(roots) when not given.
        type: str
  config_maps:
    description: ConfigMaps with trusted roots, besides those of O(mesh).
    type: list
    elements: dict
    default: []
    suboptions:
      namespace:
        description: Namespace of the ConfigMap.
        type: str
        required: true
      name:
        description: Name of the ConfigMap.
        type: str
        required: true
      item:
        description: Its item. The usual names are tried when not given.
        type: str
  endpoints:
    description: TLS endpoints to shake hands with.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Name or address to connect to.
        type: str
        required: true
      port:
        description: Port to connect to. An istiod has V(15012).
        type: int
        default: 443
      sni:
        description: Server name to ask for. O(endpoints[].host) when not given.
        type: str
      alpn:
        description: Protocols to offer, one of which it must choose.
        type: list
        elements: str
        default: []
      hosts:
        description: Hosts that its certificate must cover. The server name when not given; V([]) for a workload's, which has none.
        type: list
        elements: str
      purpose:
        description: What its certificate is for.
        type: str
        choices: [any, server]
        default: server
      roots:
        description: File with the roots that its chain must end at. O(roots) when not given.
        type: path
      client_certificate:
        description: File with our certificate, for an endpoint that wants one.
        type: path
      client_key:
        description: File with its key, when it is apart.
        type: path
      client_passphrase:
        description: Opens the key.
        type: str
      fingerprint:
        description: SHA-256 of the certificate that it must serve, in hexadecimal digits with or without colons.
        type: str
      secret:
        description: The Secret whose certificate it must serve, as V(namespace/name).
        type: str
      trust_domain:
        description: Trust domain of the workload behind it.
        type: str
      namespace:
        description: Namespace of the workload behind it.
        type: str
      service_account:
        description: Service account of the workload behind it.
        type: str
  endpoint_timeout:
    description: How many seconds an endpoint may take to connect, and to shake hands.
    type: float
    default: 5
  proxies:
    description:
      - Ask the admin interface of every running sidecar and gateway, through the API server's port-forward, which certificate it has and
        which roots it trusts. It needs the verbs get and create on C(pods/portforward).
      - A proxy that does not answer is named (OSM2605), the others are judged all the same.
      - Together with O(mesh) each proxy is compared with its istiod (OSM2507, OSM2508).
      - Each istiod of O(control_plane) is asked as well, by a TLS handshake on its port 15012, as its proxies would.
      - Only with O(source=cluster). Which namespaces are looked at is said by O(control_plane) and O(members), else it is all.
    type: bool
    default: false
  proxy_timeout:
    description: How many seconds one proxy may take.
    type: float
    default: 5
  proxies_timeout:
    description: How many seconds all proxies together may take; those that were not asked by then are named.
    type: float
    default: 60
  shares_root_with:
    description: Other clusters of the same mesh, which must trust what this one signs (OSM2509). Needs O(mesh).
    type: list
    elements: dict
    default: []
    suboptions:
      cluster:
        description: How messages call it.
        type: str
        required: true
      snapshot:
        description: A snapshot of it. Its C(istio-ca-root-cert) in the namespace of O(control_plane) is read.
        type: path
      roots:
        description: File with the roots that it trusts.
        type: path
      roots_content:
        description: The same as text, for example RV(roots) of this module on that cluster.
        type: str
  roots:
    description: File with the roots that are expected everywhere.
    type: path
  roots_content:
    description: The same as text.
    type: str
  at:
    description: Judge as of this time, as V(2027-01-31) or V(2027-01-31T12:00:00+00:00). Now when not given, by the clock of
      the cluster where one is read, or a snapshot's own time.
    type: str
  cluster_clock:
    description:
      - Judge by the clock of the cluster's API server also where nothing else is read from it, and fail where it is more than 60 seconds
        from the clock of the control node.
      - For a gate before certificates are delivered, what the clock of the control node says does not matter.
    type: bool
    default: false
    version_added: "0.1.0"
  show_from:
    description: From which severity on RV(table) shows checks.
    type: str
    choices: [info, warning, error]
    default: info
  thresholds:
    description: Limits that checks compare with.
    type: dict
    default: {}
    suboptions:
      certificate_days:
        description: How many days before its end a certificate is a warning. The default is V(30).
        type: float
      certificate_fraction:
        description: The same as a fraction of its life, which counts for lives that are shorter. The default is V(0.2).
        type: float
      certificate_rsa_bits:
        description: The shortest RSA key that is long enough. The default is V(2048).
        type: int
      certificate_ec_bits:
        description: The shortest key on an elliptic curve that is long enough. The default is V(256).
        type: int
      certificate_max_bytes:
        description: How large a file of certificates may be. The default is V(1048576).
        type: int
      clock_skew_seconds:
        description: How many seconds two clocks may be apart. The default is V(60).
        type: float
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - cryptography >= 42.0
notes:
  - The checks are described in C(docs/checks), one page for each code from C(OSM2001) on.
seealso:
  - module: meshops.mesh.mesh_check
  - module: meshops.mesh.certificate_authority
"""

EXAMPLES = r"""
- name: Check what the corporate PKI handed over, before anything changes
  meshops.mesh.certificate_check:
    certificates:
      - name: the new intermediate
        certificate: pki/intermediate.pem
        chain: pki/chain.pem
        roots: pki/root.pem
        key: pki/intermediate.key
        passphrase: "{{ pki_passphrase }}"
        purpose: ca

- name: Check every certificate of a mesh
  meshops.mesh.certificate_check:
    mesh: true
    provider: ossm3
    control_plane: {name: production, namespace: prod-istio-system}
    members: [prod-travel-agency, prod-travel-portal, prod-travel-control]
    roots: pki/root.pem
    fail_on: warning
  register: certificates

- name: Prove that every proxy trusts the root that istiod signs with
  meshops.mesh.certificate_check:
    mesh: true
    proxies: true
    provider: ossm3
    control_plane: {name: production, namespace: prod-istio-system}
    members: [prod-travel-agency, prod-travel-portal, prod-travel-control]

- name: Prove that two clusters of one mesh believe each other
  meshops.mesh.certificate_check:
    mesh: true
    provider: ossm3
    control_plane: {name: production, namespace: prod-istio-system}
    shares_root_with:
      - {cluster: east, roots_content: "{{ hostvars.east.certificates.roots }}"}

- name: Show which certificate ends first
  ansible.builtin.debug:
    msg: "{{ certificates.timeline | first }}"

- name: Prove that the gateway serves the certificate of its Secret
  meshops.mesh.certificate_check:
    endpoints:
      - host: travel.apps.example.com
        alpn: [h2, http/1.1]
        secret: prod-istio-system/travel-tls
  register: served

- name: Nothing of it may be wrong
  ansible.builtin.assert:
    that: served.summary.failed == 0
"""

RETURN = r"""
read:
  description: What was read of manifests.
  returned: with O(source=manifests)
  type: dict
  sample: {objects: 12, files: 3, unread: [], unread_count: 0, text: 12 objects of 3 files}
  contains:
    objects:
      description: How many objects.
      returned: always
      type: int
      sample: 12
    files:
      description: How many files have objects.
      returned: always
      type: int
      sample: 3
    unread:
      description:
        - Files that were not read, or not whole, each with C(path), C(reason) and C(fault).
        - C(fault) says whether something of the mesh may be missing because of it. Of other files, such as values, it is V(false).
      returned: always
      type: list
      elements: dict
      sample: [{path: data/ratings.json, reason: "no Kubernetes object: it has no apiVersion and kind", fault: false}]
    unread_count:
      description: How many there are. Of more than 1,000 the first are in C(unread).
      returned: always
      type: int
      sample: 1
    text:
      description: All of it in one line.
      returned: always
      type: str
      sample: 12 objects of 3 files
checks:
  description: One row for each check that passed or was skipped, and one for each deviation, as M(meshops.mesh.mesh_check) returns them.
  returned: always
  type: list
  elements: dict
  sample:
    - id: OSM2102
      category: certificates
      title: each certificate is still valid
      status: failed
      severity: error
      resource: Secret prod-istio-system/travel-tls
      message: "tls.crt: CN=travel expired on 2026-11-20 12:00 UTC, 24 hours ago"
      hint: renew it (playbook meshops.mesh.issue_certificates), then restart whatever reads it only at startup
      hint_url: https://github.com/meshops/mesh/blob/main/docs/checks/OSM2102.md
      evidence: {}
files:
  description: The reports that were written, by the option that asked for them.
  returned: always
  type: dict
  sample: {junit: build/mesh.west.xml, sarif: build/mesh.west.sarif}
summary:
  description: How many rows have which status.
  returned: always
  type: dict
  sample: {passed: 30, warning: 0, failed: 1, skipped: 13}
table:
  description: The result for people, one fact a line.
  returned: always
  type: str
  sample: "certificates\n------------\n√ each certificate can be read"
inventory:
  description: Every certificate in every place.
  returned: always
  type: list
  elements: dict
  sample:
    - resource: Secret prod-istio-system/cacerts
      item: ca-cert.pem
      position: 0
      role: ca
      subject: CN=travel-prod,O=Travel Agency Ltd
      issuer: CN=Travel Agency Ltd Root CA
      serial: 7f3a
      names: [istiod.prod-istio-system.svc]
      is_ca: true
      key: RSA 4096
      signature: sha256
      not_before: "2026-11-21T12:00:00+00:00"
      not_after: "2028-11-20T12:00:00+00:00"
      days_left: 730.0
      fingerprint: 5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c
timeline:
  description: Each certificate once, in the order in which they end, with its places.
  returned: always
  type: list
  elements: dict
  sample:
    - not_after: "2028-11-20T12:00:00+00:00"
      days_left: 730.0
      subject: CN=travel-prod,O=Travel Agency Ltd
      fingerprint: 5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c
      places: [Secret prod-istio-system/cacerts ca-cert.pem]
roots:
  description: The roots that the control plane hands out, as PEM.
  returned: always
  type: str
  sample: "-----BEGIN CERTIFICATE-----\nMIIB..."
at:
  description: The time that certificates were judged by, in UTC.
  returned: always
  type: str
  sample: "2026-11-21T12:00:00+00:00"
"""

import copy
from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.facts import IMPORT_ERROR as CRYPTOGRAPHY_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._commands.certificate_check import check, keys_in
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, REPORT, SOURCE, SOURCE_NEEDS, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained

_TEXT: dict[str, Any] = {"type": "str"}
_PATH: dict[str, Any] = {"type": "path"}
_WORDS: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
_NAME: dict[str, Any] = {"type": "str", "required": True}


def _purpose(*choices: str, default: str = "any") -> dict[str, Any]:
    return {"type": "str", "choices": list(choices), "default": default}


def _dicts(options: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "list", "elements": "dict", "default": [], "options": options, **fields}


_PARTS = ("certificate", "chain", "roots", "key")
_CERTIFICATE: dict[str, Any] = {
    "name": _TEXT,
    **{name: {**_PATH, "no_log": False} for name in _PARTS},
    **{f"{name}_content": {**_TEXT, "no_log": name == "key"} for name in _PARTS},
    "passphrase": {**_TEXT, "no_log": True},
    "purpose": _purpose("any", "server", "client", "ca"),
    "hosts": _WORDS,
    "der": {"type": "bool", "default": False},
}
_SECRET: dict[str, Any] = {
    "namespace": _NAME,
    "name": _NAME,
    "purpose": _purpose("any", "server", "client", "ca"),
    "hosts": _WORDS,
    "roots_item": _TEXT,
}
_ENDPOINT: dict[str, Any] = {
    "host": _NAME,
    "port": {"type": "int", "default": 443},
    "sni": _TEXT,
    "alpn": _WORDS,
    "hosts": {"type": "list", "elements": "str"},
    "purpose": _purpose("any", "server", default="server"),
    "roots": _PATH,
    "client_certificate": _PATH,
    "client_key": {**_PATH, "no_log": False},
    "client_passphrase": {**_TEXT, "no_log": True},
    "fingerprint": _TEXT,
    "secret": {**_TEXT, "no_log": False},
    "trust_domain": _TEXT,
    "namespace": _TEXT,
    "service_account": _TEXT,
}
_THRESHOLDS: dict[str, Any] = {name: {"type": "float"} for name in ("certificate_days", "certificate_fraction", "clock_skew_seconds")}
_THRESHOLDS |= {name: {"type": "int"} for name in ("certificate_rsa_bits", "certificate_ec_bits", "certificate_max_bytes")}
ARGUMENT_SPEC: dict[str, Any] = {
    **CLUSTER,
    **SOURCE,
    **REPORT,
    "mesh": {"type": "bool", "default": False},
    "provider": {"type": "str", "choices": ["ossm2", "ossm3", "sail"]},
    "control_plane": {"type": "dict"},
    "members": {"type": "list", "elements": "str"},
    "certificates": _dicts(_CERTIFICATE, mutually_exclusive=[(name, f"{name}_content") for name in _PARTS]),
    "secrets": _dicts(_SECRET, no_log=False),
    "config_maps": _dicts({"namespace": _NAME, "name": _NAME, "item": _TEXT}),
    "endpoints": _dicts(_ENDPOINT),
    "endpoint_timeout": {"type": "float", "default": 5},
    "proxies": {"type": "bool", "default": False},
    "proxy_timeout": {"type": "float", "default": 5},
    "proxies_timeout": {"type": "float", "default": 60},
    "shares_root_with": _dicts(
        {"cluster": _NAME, "snapshot": _PATH, "roots": _PATH, "roots_content": _TEXT},
        mutually_exclusive=[("snapshot", "roots", "roots_content")],
        required_one_of=[("snapshot", "roots", "roots_content")],
    ),
    "roots": _PATH,
    "roots_content": _TEXT,
    "at": _TEXT,
    "cluster_clock": {"type": "bool", "default": False},
    "show_from": _purpose("info", "warning", "error", default="info"),
    "thresholds": {"type": "dict", "default": {}, "options": _THRESHOLDS},
}


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(
        # a copy, as Ansible writes the defaults of suboptions into it
        argument_spec=copy.deepcopy({**AUTH_ARG_SPEC, **ARGUMENT_SPEC}),
        required_if=SOURCE_NEEDS,
        mutually_exclusive=[("roots", "roots_content")],
        supports_check_mode=True,
    )
    params = module.params
    # masked in everything that Ansible prints
    module.no_log_values.update(keys_in(params))
    params["cluster"] = display_name(params)
    if CRYPTOGRAPHY_ERROR:
        module.fail_json(msg=missing_required_lib("cryptography"), exception=CRYPTOGRAPHY_ERROR)
    of_cluster = ("mesh", "proxies", "secrets", "config_maps", "cluster_clock")
    reads_cluster = params["source"] == "cluster" and any(params[name] for name in of_cluster)
    if reads_cluster and IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    try:
        result = check(params, warn=module.warn)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
