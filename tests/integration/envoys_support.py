# SPDX-License-Identifier: GPL-3.0-or-later
"""A small mesh on a bed with real Envoys behind its pods."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from testbed import Bed
from testbed.operators.certificates import Authority
from testbed.patience import meanwhile, until

__all__ = ["ASK", "NOBODY", "VERSION", "Mesh", "Mesh2", "cacerts", "intermediate", "until"]

VERSION = "v1.29.6"
NOBODY = "503 no healthy upstream"
ASK = {"testbed.example.com/envoy": "true"}
Obj = dict[str, Any]


def deployment(namespace: str, name: str, account: str, annotations: dict[str, str]) -> list[Obj]:
    meta = {"name": name, "namespace": namespace}
    spec = {"serviceAccountName": account, "containers": [{"name": "app", "image": "example.com/app:1"}]}
    made: list[Obj] = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": namespace}}]
    made.append(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {
                "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}, "annotations": annotations}, "spec": spec},
            },
        }
    )
    ports = [{"name": "http", "port": 8000}]
    made.append({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": {"app": name}, "ports": ports}})
    return made


@dataclass(frozen=True)
class Mesh:
    """One control plane in istio-system, one namespace of workloads."""

    bed: Bed
    namespace: str = "shop"

    def apply(self, *objects: Obj) -> None:
        done = self.bed.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
        assert done.returncode == 0, done.stderr

    def install(self, values: Obj | None = None) -> None:
        self.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}},
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": self.namespace, "labels": {"istio-injection": "enabled", **ASK}},
            },
            {
                "apiVersion": "sailoperator.io/v1",
                "kind": "Istio",
                "metadata": {"name": "default"},
                "spec": {"version": VERSION, "namespace": "istio-system", "values": values or {}},
            },
        )
        until(lambda: self.get("deployment", "istiod", "-n", "istio-system").get("status", {}).get("readyReplicas"), what="istiod")

    def get(self, *what: str) -> Obj:
        done = self.bed.kubectl("get", *what, "-o", "json")
        found: Obj = json.loads(done.stdout) if done.returncode == 0 else {}
        return found

    def deploy(self, *names: str, annotations: dict[str, str] | None = None) -> None:
        """Each has a service account of its own name; done when its Envoy answers."""
        self.apply(*(obj for name in names for obj in deployment(self.namespace, name, name, annotations or {})))
        for name in names:
            until(lambda name=name: self.served(name), what=f"the Envoy of {name}")

    def pod(self, app: str) -> str:
        """The name of the newest pod of a Deployment."""
        rows = self.bed.api.get(f"/api/v1/namespaces/{self.namespace}/pods?labelSelector=app%3D{app}")["items"]
        alive = [row for row in rows if not row["metadata"].get("deletionTimestamp")]
        return max((row["metadata"]["creationTimestamp"], row["metadata"]["name"]) for row in alive)[1] if alive else ""

    def served(self, app: str) -> bool:
        name = self.pod(app)
        return bool(name and self.get("execs.kwok.x-k8s.io", "-n", self.namespace, name))

    def exec(self, app: str, *command: str, container: str = "istio-proxy") -> str:
        return self.bed.kubectl("exec", "-n", self.namespace, self.pod(app), "-c", container, "--", *command).stdout

    def call(self, client: str, service: str) -> str:
        """The status code of a request through both Envoys; 000 for no answer, NOBODY where no pod of the service was there."""
        url = f"http://{service}:8000/"
        body, _newline, code = self.exec(client, "curl", "-s", "-m", "4", "-w", "\n%{http_code}", url, container="app").rpartition("\n")
        return NOBODY if code == "503" and "no healthy upstream" in body else code or "000"

    @contextmanager
    def calling(self, client: str, service: str) -> Iterator[list[str]]:
        """A client that calls all the time; the codes of its answers."""
        codes: list[str] = []
        with meanwhile(lambda: codes.append(self.call(client, service))):
            yield codes

    def roots(self) -> str:
        """What istiod hands out to the workloads."""
        return str((self.get("configmap", "istio-ca-root-cert", "-n", self.namespace).get("data") or {}).get("root-cert.pem"))

    def restart(self, app: str, namespace: str = "") -> None:
        """New pods, and their Envoys, in the place of the old ones."""
        where = namespace or self.namespace
        self.bed.kubectl("rollout", "restart", "deployment", app, "-n", where)
        done = self.bed.kubectl("rollout", "status", "deployment", app, "-n", where, "--timeout=240s")
        assert done.returncode == 0, done.stderr
        if not namespace:
            until(lambda: self.served(app), what=f"the new Envoy of {app}")

    def issuer(self, app: str) -> str:
        """Who signed the certificate that a proxy uses now."""
        dump = json.loads(self.exec(app, "pilot-agent", "request", "GET", "config_dump?resource=dynamic_active_secrets"))
        held = {row["name"]: row["secret"] for row in dump["configs"]}
        chain = base64.b64decode(held["default"]["tls_certificate"]["certificate_chain"]["inline_bytes"])
        return x509.load_pem_x509_certificate(chain).issuer.rfc4514_string()

    def trusted(self, app: str) -> int:
        """How many roots a proxy trusts."""
        return len(self.certs(app)["certificates"][0]["ca_cert"])

    def certs(self, app: str) -> Obj:
        """What the proxy's admin interface says of the certificates that it uses."""
        found: Obj = json.loads(self.exec(app, "pilot-agent", "request", "GET", "certs") or "{}")
        return found

    def serial(self, app: str) -> str:
        return str(self.certs(app)["certificates"][0]["cert_chain"][0]["serial_number"])


def intermediate(root: Authority, name: str) -> Authority:
    """A CA under a root, as a corporate PKI hands it over: it signs, the root is what is trusted."""
    key, signer = ec.generate_private_key(ec.SECP256R1()), serialization.load_pem_private_key(root.key, None)
    above = x509.load_pem_x509_certificate(root.cert)
    builder = x509.CertificateBuilder().issuer_name(above.subject).public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
    builder = builder.not_valid_before(above.not_valid_before_utc).not_valid_after(above.not_valid_before_utc + timedelta(days=365))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = {
        flag: flag in ("digital_signature", "key_cert_sign", "crl_sign")
        for flag in (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        )
    }
    builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
    cert = builder.sign(signer, hashes.SHA256())  # type: ignore[arg-type]
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Authority(cert.public_bytes(serialization.Encoding.PEM), private, root.root)


def cacerts(authority: Authority, roots: bytes | None = None) -> Obj:
    """The Secret; roots: instead of the authority's own."""
    data = {
        "ca-cert.pem": authority.cert,
        "ca-key.pem": authority.key,
        "root-cert.pem": roots or authority.root,
        "cert-chain.pem": authority.cert if authority.cert == authority.root else authority.cert + authority.root,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "cacerts", "namespace": "istio-system"},
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }


@dataclass(frozen=True)
class Mesh2(Mesh):
    """The same, of OpenShift Service Mesh 2."""

    version: str = "v2.6"

    def install(self, values: Obj | None = None) -> None:
        spec = {
            "version": self.version,
            "tracing": {"type": "None"},
            "policy": {"type": "Istiod"},
            "telemetry": {"type": "Istiod"},
            "profiles": ["default"],
            "gateways": {"enabled": False},
            "addons": {name: {"enabled": False} for name in ("kiali", "grafana", "prometheus")},
            **(values or {}),
        }
        self.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}},
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": ASK}},
            {
                "apiVersion": "maistra.io/v2",
                "kind": "ServiceMeshControlPlane",
                "spec": spec,
                "metadata": {"name": "default", "namespace": "istio-system"},
            },
            {
                "apiVersion": "maistra.io/v1",
                "kind": "ServiceMeshMemberRoll",
                "spec": {"members": [self.namespace]},
                "metadata": {"name": "default", "namespace": "istio-system"},
            },
        )
        roll = ("servicemeshmemberroll", "default", "-n", "istio-system")
        until(lambda: self.namespace in (self.get(*roll).get("status") or {}).get("configuredMembers", []), 120, "the member of the mesh")

    def deploy(self, *names: str, annotations: dict[str, str] | None = None) -> None:
        """Its injection asks for an annotation of each pod."""
        super().deploy(*names, annotations={"sidecar.istio.io/inject": "true", **(annotations or {})})
