#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_probe
short_description: Calls a gateway from outside of the mesh and compares the answers with what is expected
version_added: "0.1.0"
description:
  - Sends requests by TLS from the control node to a gateway, as a partner would, with a client certificate and a token where they are
    given.
  - An answer is C(allowed), C(denied) by a policy (403 with the body of Envoy's RBAC, 401 of its token check), or C(no verdict).
  - A 404, a 503, a failure of TLS, or an application's own 403 or 401 say nothing about policies; they are never counted as denied.
  - The gateway's certificate is verified. The token never gets into the result.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - meshops.mesh.attributes
  - meshops.mesh.options.wait
options:
  host:
    description: The host that is called, for TLS and for the request.
    type: str
    required: true
  port:
    description: The port.
    type: int
    default: 443
  address:
    description: Where to connect, if not where O(host) leads.
    type: str
    default: ""
  roots:
    description: The file of the certificates that the gateway's is verified with. Those of the system when not given.
    type: path
  client_certificate:
    description: The file of the certificate that the gateway is shown.
    type: path
  client_key:
    description: The file of its key.
    type: path
  token:
    description: The token for the calls that send one, without C(Bearer).
    type: str
  token_from:
    description: Where to get O(token) when it is not given, for a password, as Keycloak and Red Hat Single Sign-On give it.
    type: dict
    suboptions:
      url:
        description: The token endpoint.
        type: str
        required: true
      client_id:
        description: The client.
        type: str
        required: true
      client_secret:
        description: Its secret, where it has one.
        type: str
      username:
        description: The user.
        type: str
        required: true
      password:
        description: The user's password.
        type: str
        required: true
      ca_path:
        description: The file of the certificates that the endpoint's is verified with. Those of the system when not given.
        type: path
  calls:
    description: What to send.
    type: list
    elements: dict
    required: true
    suboptions:
      method:
        description: The method.
        type: str
        default: GET
      path:
        description: The path.
        type: str
        default: /
      token:
        description: Whether the request has O(token), the same with another signature, or none.
        type: str
        choices: [none, good, tampered]
        default: none
      expected:
        description: What is expected.
        type: str
        choices: [allowed, denied]
        required: true
      status:
        description: The status that is expected. Any that means O(calls[].expected) when not given.
        type: int
  timeout:
    description: Seconds that one call may take.
    type: float
    default: 10
  wait_timeout:
    default: 30
  fail_on:
    description: With V(difference) the task fails when an answer is not as expected, or is no verdict.
    type: str
    choices: [difference, never]
    default: difference
attributes:
  check_mode:
    support: none
    details: Requests are sent, and in check mode none are. The task is skipped.
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: meshops.mesh.authorization_probe
"""

EXAMPLES = r"""
- name: Ask as the partner
  meshops.mesh.gateway_probe:
    host: gto-external-prod-istio-system.apps.prod.example.com
    roots: ~/gto/curl-client-ca.crt
    client_certificate: ~/gto/curl-client.crt
    client_key: ~/gto/curl-client.key
    token: "{{ partner_token }}"
    calls:
      - {path: /flights/Tallinn, expected: denied, status: 403}
      - {path: /flights/Tallinn, token: tampered, expected: denied, status: 401}
      - {path: /flights/Tallinn, token: good, expected: allowed}
  register: partner

- name: Show it
  ansible.builtin.assert:
    that: partner.summary.differ == 0
    success_msg: "{{ partner.text }}"
"""

RETURN = r"""
results:
  description: One row for each call, in their order.
  returned: always
  type: list
  elements: dict
  sample:
    - path: /flights/Tallinn
      method: GET
      token: none
      expected: denied
      verdict: denied
      status: 403
      said: "RBAC: access denied"
      agrees: true
      why: ""
summary:
  description: How many calls came out how.
  returned: always
  type: dict
  sample: {allowed: 1, denied: 2, no_verdict: 0, agree: 3, differ: 0}
text:
  description: The result for people.
  returned: always
  type: str
  sample: "gto-external.apps.example.com:443: 3 calls: 1 allowed, 2 denied, 0 without a verdict; 3 as expected, 0 otherwise"
"""

from dataclasses import replace
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._access.verdict import ProbeResult, summary_of
from ansible_collections.meshops.mesh.plugins.module_utils._commands.gateway_probe import (
    NO_TOKEN,
    TAMPERED,
    TOKEN,
    ProbedGateway,
    call_all,
    fetched_token,
)
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import wait_options
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained
from ansible_collections.meshops.mesh.plugins.module_utils._text import counted, joined


def argument_spec() -> dict[str, Any]:
    call = {
        "method": {"type": "str", "default": "GET"},
        "path": {"type": "str", "default": "/"},
        "token": {"type": "str", "choices": [NO_TOKEN, TOKEN, TAMPERED], "default": NO_TOKEN, "no_log": False},
        "expected": {"type": "str", "choices": ["allowed", "denied"], "required": True},
        "status": {"type": "int"},
    }
    issuer = {
        **{name: {"type": "str", "required": True} for name in ("client_id", "username")},
        "url": {"type": "str", "required": True},
        "client_secret": {"type": "str", "no_log": True},
        "password": {"type": "str", "required": True, "no_log": True},
        "ca_path": {"type": "path"},
    }
    return {
        **wait_options(wait_timeout=30),
        "host": {"type": "str", "required": True},
        "port": {"type": "int", "default": 443},
        "address": {"type": "str", "default": ""},
        **{name: {"type": "path"} for name in ("roots", "client_certificate")},
        "client_key": {"type": "path", "no_log": False},
        "token": {"type": "str", "no_log": True},
        "token_from": {"type": "dict", "options": issuer, "no_log": False},
        "calls": {"type": "list", "elements": "dict", "required": True, "options": call},
        "timeout": {"type": "float", "default": 10},
        "fail_on": {"type": "str", "choices": ["difference", "never"], "default": "difference"},
    }


_WORDS = {NO_TOKEN: "without a token", TOKEN: "with the token", TAMPERED: "with a token whose signature is another"}


def text_of(gateway: ProbedGateway, rows: tuple[ProbeResult, ...], good: int) -> str:
    counts = summary_of(rows)
    lines = [
        f"{gateway.ref}: {counted(len(rows), 'call')}: {counts['allowed']} allowed, {counts['denied']} denied, {counts['no_verdict']} "
        f"without a verdict; {good} as expected, {len(rows) - good} otherwise"
    ]
    for row in rows:
        call, wanted = row.call, row.call.get("status") or row.call["expected"]
        said = f"{row.answer.status} {row.answer.said}" if str(row.answer.status) != row.answer.said else row.answer.said
        mark = "ok      " if row.agrees and not row.why else "DIFFERS "
        lines.append(f"{mark} {call['method']} {call['path']} {_WORDS[call['token']]}: {row.answer.verdict} ({said}), expected {wanted}")
    return joined(lines)


@contained
def main() -> None:
    module = MeshModule(argument_spec=argument_spec(), supports_check_mode=False)
    params = module.params
    names = ("host", "port", "address", "roots", "client_certificate", "client_key", "token")
    gateway = ProbedGateway(**{name: params[name] for name in names if params[name]})
    try:
        if params["token_from"] and not gateway.token:
            gateway = replace(gateway, token=fetched_token(params["token_from"], params["timeout"]))
            module.no_log_values.add(gateway.token)
        rows = call_all(gateway, params["calls"], timeout=params["timeout"], wait=params["wait_timeout"], interval=params["wait_interval"])
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    good = sum(bool(row.agrees and not row.why) for row in rows)
    summary = {**summary_of(rows), "agree": good, "differ": len(rows) - good}
    text = text_of(gateway, rows, good)
    result = {"results": [row.to_dict() for row in rows], "summary": summary, "text": text}
    if params["fail_on"] == "difference" and good < len(rows):
        module.fail_json(msg=text, **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
