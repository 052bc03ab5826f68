#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_authority
short_description: Issues the certificates of a mesh from a store on the control node
version_added: "0.1.0"
description:
  - Keeps a hierarchy of certificates in a folder, made of roots, intermediates for meshes or clusters, and certificates of gateways and
    partners.
  - What is valid and as wanted is never issued again. The rest is renewed at a fraction of its life, or when the intent changes.
  - A root is renewed with its own key, so that what it signed stays valid. Another root in its place is refused without
    O(replace_root).
  - Each certificate is one file with its key, readable by its owner only and replaced as a whole. What it replaces goes to the folder
    C(retired).
  - What is issued is valid from five minutes before, so that nodes whose clock lags a little accept it.
  - Private keys are not returned. The filter P(meshops.mesh.private_key#filter) opens one for a task that has to deliver it.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
options:
  store:
    description: Folder of the certificates. It is made with the mode V(0700).
    type: path
    required: true
  passphrase:
    description:
      - Encrypts the private keys at rest. Keys that are there in clear text are encrypted when it is given.
      - A store whose keys are encrypted cannot be used without it.
    type: str
  encryption:
    description:
      - How a file is encrypted when there is a O(passphrase). V(key) encrypts the private key in it (PKCS 8), as C(openssl) does.
        V(vault) makes the whole file one of Ansible Vault with the passphrase as its password, for C(ansible-vault view).
      - Files that are there in the other form are read, and written in this one.
    type: str
    choices: [key, vault]
    default: key
  certificates:
    description: What shall be there. Issuers may come behind what they sign.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the certificate, and of its file without C(.pem).
        type: str
        required: true
      type:
        description: What it is. A V(root) signs itself, an V(intermediate) signs others.
        type: str
        choices: [root, intermediate, server, client]
        required: true
      issuer:
        description: Name of the certificate that signs it. Required unless O(certificates[].type=root).
        type: str
      subject:
        description: Whose it is. The common name is O(certificates[].name) when not given.
        type: dict
        default: {}
        suboptions:
          common_name:
            description: Common name.
            type: str
          organization:
            description: Organization.
            type: str
          organizational_unit:
            description: Organizational unit.
            type: str
          locality:
            description: Locality.
            type: str
          state:
            description: State or province.
            type: str
          country:
            description: Country, in two letters.
            type: str
      names:
        description: Subject alternative names, which are hosts, addresses or URIs. Required for O(certificates[].type=server).
        type: list
        elements: str
        default: []
      days:
        description:
          - How long it is valid, at most until its issuer ends. The default is V(3650) for a root, V(730) for an intermediate and V(365)
            for others.
        type: float
      key_type:
        description: Kind of its key.
        type: str
        choices: [RSA, EC]
        default: RSA
      key_bits:
        description: Size of its key. The default is V(4096) for a root or intermediate with RSA, V(2048) for others, and V(256) with EC.
        type: int
      path_length:
        description:
          - How many CAs may be below it. The default is none for a root, and V(0) for an intermediate. V(-1) stands for no limit.
        type: int
  cluster_clock:
    description:
      - Issue and renew by the clock of the cluster's API server, and fail before anything is issued where it is more than 60 seconds from
        the clock of the control node.
      - Without it, as for a tree of files, the clock of the control node counts; the options of the login are not used then.
    type: bool
    default: false
    version_added: "0.1.0"
  renew_at:
    description: The fraction of its life after which a certificate is renewed.
    type: float
    default: 0.66
  replace_root:
    description: Whether a root that is valid may be replaced because the intent has changed.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    details: Says what would be made and renewed. Nothing is written, and what is not there yet has no certificate in the result.
  diff_mode:
    support: full
  idempotent:
    support: full
requirements:
  - python >= 3.11
  - cryptography >= 42.0
seealso:
  - module: meshops.mesh.certificate_check
  - plugin: meshops.mesh.private_key
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Keep a corporate hierarchy
  meshops.mesh.certificate_authority:
    store: "{{ playbook_dir }}/pki"
    passphrase: "{{ pki_passphrase }}"
    certificates:
      - name: root
        type: root
        subject: {common_name: Travel Agency Ltd Root CA, organization: Travel Agency Ltd, country: GB}
        path_length: 1
      - name: travel-prod
        type: intermediate
        issuer: root
        names: [istiod.prod-istio-system.svc]
      - name: gto-external
        type: server
        issuer: travel-prod
        names: [gto-external.apps.example.com]
        days: 90
      - name: gto-client
        type: client
        issuer: travel-prod
        key_type: EC
  register: pki
  delegate_to: localhost

- name: Show what was made and renewed
  ansible.builtin.assert:
    that: pki.certificates | selectattr('action', 'ne', 'kept') | length == 0
    fail_msg: "{{ pki.certificates | map(attribute='reason') }}"
"""

RETURN = r"""
certificates:
  description: Each certificate in the order of signing.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      returned: always
      type: str
      sample: travel-prod
    type:
      description: What it is.
      returned: always
      type: str
      sample: intermediate
    action:
      description: V(kept), V(renewed) or V(made).
      returned: always
      type: str
      sample: kept
    reason:
      description: Why.
      returned: always
      type: str
      sample: valid until 2028-11-20
    path:
      description: Its file, with its key.
      returned: always
      type: str
      sample: /home/emma/pki/travel-prod.pem
    subject:
      description: Whose it is.
      returned: when it is there
      type: str
      sample: CN=travel-prod
    not_after:
      description: When it ends.
      returned: when it is there
      type: str
      sample: "2028-11-20T12:00:00+00:00"
    fingerprint:
      description: SHA-256 of the certificate.
      returned: when it is there
      type: str
      sample: 5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c5b0c
    certificate:
      description: The certificate in PEM.
      returned: when it is there
      type: str
      sample: "-----BEGIN CERTIFICATE-----\n..."
    chain:
      description: The certificate and what signed it, without the root, in PEM. For a root, the root.
      returned: when it is there
      type: str
      sample: "-----BEGIN CERTIFICATE-----\n..."
    root:
      description: The root in PEM.
      returned: when it is there
      type: str
      sample: "-----BEGIN CERTIFICATE-----\n..."
lines:
  description: What was made and renewed and why, for people. In check mode what would be.
  returned: success
  type: list
  elements: str
  sample: ["travel-prod (intermediate): made, there is none"]
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.facts import IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.issue import SUBJECT_FIELDS
from ansible_collections.meshops.mesh.plugins.module_utils._commands.certificate_authority import issue
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import IMPORT_ERROR as NO_KUBERNETES
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained

CERTIFICATE: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "choices": ["root", "intermediate", "server", "client"], "required": True},
    "issuer": {"type": "str"},
    "subject": {"type": "dict", "default": {}, "options": {name: {"type": "str"} for name in SUBJECT_FIELDS}},
    "names": {"type": "list", "elements": "str", "default": []},
    "days": {"type": "float"},
    "key_type": {"type": "str", "choices": ["RSA", "EC"], "default": "RSA", "no_log": False},
    "key_bits": {"type": "int", "no_log": False},
    "path_length": {"type": "int"},
}
ARGUMENT_SPEC: dict[str, Any] = {
    **CLUSTER,
    "store": {"type": "path", "required": True},
    "passphrase": {"type": "str", "no_log": True},
    "encryption": {"type": "str", "choices": ["key", "vault"], "default": "key"},
    "certificates": {"type": "list", "elements": "dict", "required": True, "options": CERTIFICATE},
    "cluster_clock": {"type": "bool", "default": False},
    "renew_at": {"type": "float", "default": 0.66},
    "replace_root": {"type": "bool", "default": False},
}


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(argument_spec={**AUTH_ARG_SPEC, **ARGUMENT_SPEC}, supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("cryptography"), exception=IMPORT_ERROR)
    if module.params["cluster_clock"] and NO_KUBERNETES:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=NO_KUBERNETES)
    try:
        result = issue(module.params, check_mode=module.check_mode)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    if not module._diff:
        result.pop("diff")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
