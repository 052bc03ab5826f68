# SPDX-License-Identifier: GPL-3.0-or-later
"""A login by user and password: what is refused, and what is said of a failure. Nothing quotes the password."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._kube.login import failure, kubeconfig, login_of, logout_failure

GOOD = {"host": "https://api.west.example.com:6443/", "username": "mesh", "password": "hunter-two", "ca_cert": "/etc/ca.crt"}


def read(given: Any, **more: Any) -> Any:
    return login_of(given, **{"kubeconfig": "", "context": "", "environment": {}, **more})


def test_a_login_is_read() -> None:
    found = read(GOOD)
    assert (found.host, found.username, found.password, found.ca_cert) == (
        "https://api.west.example.com:6443",
        "mesh",
        "hunter-two",
        "/etc/ca.crt",
    )
    assert found.refusals == () and "hunter-two" not in repr(found)


def test_the_environment_completes_it() -> None:
    environment = {"K8S_AUTH_HOST": "https://other.example.com", "K8S_AUTH_SSL_CA_CERT": "/tmp/ca"}
    short = {"username": "mesh", "password": "hunter-two"}
    found = read(short, environment=environment)
    assert (found.host, found.ca_cert, found.refusals) == ("https://other.example.com", "/tmp/ca", ())
    assert read(GOOD, environment=environment).host == "https://api.west.example.com:6443"


@pytest.mark.parametrize(
    ("given", "more", "says"),
    [
        ("mesh:hunter-two", {}, "mesh_openshift_login is not a dictionary of host, username, password and ca_cert"),
        (None, {}, "mesh_openshift_login is not a dictionary of host, username, password and ca_cert"),
        ({**GOOD, "host": ""}, {}, "mesh_openshift_login.host is not set, nor is K8S_AUTH_HOST; it is the address of the API server"),
        (
            {**GOOD, "host": "http://api"},
            {},
            "mesh_openshift_login.host is http://api, and a password goes to an address with https:// only",
        ),
        ({**GOOD, "host": "api"}, {}, "mesh_openshift_login.host is api, and a password goes to an address with https:// only"),
        ({**GOOD, "password": ""}, {}, "mesh_openshift_login.password is not set"),
        ({"host": "https://a", "password": "hunter-two"}, {}, "mesh_openshift_login.username is not set"),
        ({**GOOD, "password": ["hunter-two"]}, {}, "mesh_openshift_login.password is not a text"),
        ({**GOOD, "user": "x"}, {}, "mesh_openshift_login has no 'user'; it has host, username, password, ca_cert"),
        (GOOD, {"kubeconfig": "/k"}, "mesh_kubeconfig and mesh_openshift_login are two logins; set one of them only"),
        (
            GOOD,
            {"context": "west", "environment": {"K8S_AUTH_API_KEY": "t"}},
            "mesh_context and K8S_AUTH_API_KEY and mesh_openshift_login are two logins; set one of them only",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(given: Any, more: dict[str, Any], says: str) -> None:
    found = read(given, **more)
    assert found.refusals == (says,) and "hunter-two" not in says


def test_all_of_it_at_once() -> None:
    assert len(read({"host": "http://a", "username": ""}, kubeconfig="/k").refusals) == 4


def test_the_kubeconfig_verifies_certificates() -> None:
    made = kubeconfig(host="https://a", ca_cert="/ca", token="t")
    assert made["clusters"][0]["cluster"] == {"server": "https://a", "certificate-authority": "/ca"}
    assert made["users"][0]["user"] == {"token": "t"}
    assert kubeconfig(host="https://a", ca_cert="", token="t")["clusters"][0]["cluster"] == {"server": "https://a"}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            {"msg": "Authorization failed.", "req_status_code": 401},
            "the OAuth server refuses this user or password (401); correct mesh_openshift_login",
        ),
        (
            {"msg": "Couldn't find OpenShift's OAuth API", "req_status_code": 404},
            "the server has no OAuth server of OpenShift (404); it is another Kubernetes, or its users come from an external provider: "
            "log in by a token (K8S_AUTH_API_KEY) or a kubeconfig",
        ),
        (
            {"msg": "This module requires the python 'requests-oauthlib' package. Try `pip install requests-oauthlib`."},
            "This module requires the python 'requests-oauthlib' package. Try `pip install requests-oauthlib`.; "
            "the Python that runs Ansible needs it",
        ),
        (
            {"msg": "HTTPSConnectionPool(host='a'): SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] ...'))"},
            "a certificate does not lead to a CA that is trusted; mesh_openshift_login.ca_cert names a file with the CA of the API server "
            "and that of the router, behind which the OAuth server is",
        ),
        ({"msg": "Connection refused\n"}, "Connection refused\\n"),
        ({"msg": "Failed to obtain an authorization token.", "req_status_code": 400}, "Failed to obtain an authorization token. (400)"),
        ({}, "no reason"),
    ],
)
def test_a_failure_is_one_sentence(answer: dict[str, Any], says: str) -> None:
    assert failure(answer, cluster="west", host="https://a", username="mesh") == f"cluster west: login at https://a as mesh: {says}"


def test_a_token_that_lives_on_is_told() -> None:
    told = logout_failure({"msg": "Couldn't delete user oauth access token 'x' due to: no"}, cluster="west")
    assert told.startswith("cluster west: the token of this run could not be revoked and ends by its own time: Couldn't delete")
