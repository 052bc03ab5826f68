# SPDX-License-Identifier: GPL-3.0-or-later
"""A 403 is a missing right only where the authorizer says no: the texts are those of API servers."""

from __future__ import annotations

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.denial import denial_of

RIGHTS = [
    'secrets is forbidden: User "emma" cannot list resource "secrets" in API group "" at the cluster scope',
    'deployments.apps "web" is forbidden: User "system:serviceaccount:ci:mesh" cannot patch resource "deployments" in API group "apps" '
    'in the namespace "shop": RBAC: [clusterrole.rbac.authorization.k8s.io "x" not found]',
    'forbidden: User "emma" cannot get path "/metrics"',
    'users "root" is forbidden: User "emma" cannot impersonate resource "users" in API group "" at the cluster scope',
    'deployments.apps "quota" is forbidden: User "limit" cannot patch resource "deployments" in API group "apps" in the namespace "quota"',
    'roles.rbac.authorization.k8s.io "r" is forbidden: user "emma" (groups=["system:authenticated"]) is attempting to grant RBAC '
    'permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["get"]}',
    'pods "a" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can\'t set finalizers on: , <nil>',
    "",
    "<html>403 Forbidden</html>",
]
RULES = [
    ('pods "web" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=10, limited: pods=10', "ResourceQuota"),
    (
        'services "web" is forbidden: exceeded quota: q, requested: count/services=1, used: count/services=2, limited: count/services=2',
        "ResourceQuota",
    ),
    ('pods "web" is forbidden: failed quota: compute: must specify limits.cpu for: web; requests.memory for: web', "ResourceQuota"),
    ('persistentvolumeclaims "d" is forbidden: status unknown for quota: storage, resources: requests.storage', "ResourceQuota"),
    ('pods "web" is forbidden: maximum cpu usage per Container is 1, but limit is 2', "LimitRange"),
    (
        'pods "web" is forbidden: [minimum memory usage per Container is 64Mi, but request is 1Mi, maximum cpu usage per Pod is 1, but '
        "limit is 2]",
        "LimitRange",
    ),
    ('pods "web" is forbidden: memory max limit to request ratio per Container is 2, but provided ratio is 4.000000', "LimitRange"),
    ('persistentvolumeclaims "d" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi', "LimitRange"),
    ('pods "web" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true', "Pod Security"),
    (
        'pods "web" is forbidden: unable to validate against any security context constraint: [provider "anyuid": Forbidden]',
        "SecurityContextConstraints",
    ),
    ('admission webhook "validate.kyverno.svc" denied the request: User "x" cannot list secrets', "webhook"),
    (
        "virtualservices.networking.istio.io \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: exceeded "
        "quota:",
        "ValidatingAdmissionPolicy",
    ),
    ('pods "web" is forbidden: error looking up service account shop/web: serviceaccount "web" not found', "admission"),
]


@pytest.mark.parametrize("text", RIGHTS)
def test_a_missing_right(text: str) -> None:
    assert denial_of(text, write=True).right


@pytest.mark.parametrize(("text", "word"), RULES)
def test_a_rule_that_is_no_right(text: str, word: str) -> None:
    found = denial_of(text, write=True)
    assert not found.right and word in found.what


@pytest.mark.parametrize("text", [*RIGHTS, *(text for text, _word in RULES)])
def test_a_read_passes_no_admission(text: str) -> None:
    assert denial_of(text, write=False).right
