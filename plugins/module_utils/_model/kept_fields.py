# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a snapshot keeps of an object, by kind and field. What is not named here is not in the file: no list of what is secret is ever
complete. A check that reads another field adds it here; the tests of the checks run on what this leaves."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.common.yaml import HAS_YAML, yaml_dump, yaml_load

from .fields import section
from .objects import coded_texts, group_of, is_ours, is_rollout, whose
from .secrecy import is_secret, names_a_secret
from .secrets_used import ROOT_MAP

try:
    from yaml import YAMLError
except ImportError:  # HAS_YAML is False then

    class YAMLError(ValueError):  # type: ignore[no-redef]
        """Never raised."""


__all__ = ["certificates_of", "kept"]

Rule = Any  # ALL, a function, or a map of fields to rules; the key "*" stands for every other field, and lists are gone through
_CERTIFICATES = re.compile(r"\s*(-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*)+")


def kept(obj: Mapping[str, Any]) -> dict[str, Any]:
    """The object with the fields that are named here, without any secret."""
    rules = _KINDS.get((group_of(str(obj.get("apiVersion") or "")), str(obj.get("kind"))), _UNKNOWN)
    rest = rules(obj) if callable(rules) else {field: _apply(obj[field], rule) for field, rule in rules.items() if field in obj}
    metadata = _apply(obj["metadata"], _SECRET_METADATA if obj.get("kind") == "Secret" else _METADATA)
    if is_ours(obj) and "managedFields" in obj["metadata"]:
        metadata["managedFields"] = whose(obj)  # a copy has our labels, too
    return {"apiVersion": obj.get("apiVersion"), "kind": obj.get("kind"), "metadata": metadata, **rest}


def _apply(value: Any, rule: Rule) -> Any:
    if callable(rule):
        return rule(value)
    if isinstance(value, Mapping):
        every = rule.get("*")
        chosen = ((key, item, rule.get(key, every)) for key, item in value.items())
        return {key: _apply(item, inner) for key, item, inner in chosen if inner is not None}
    if isinstance(value, (list, tuple)):
        return [_apply(item, rule) for item in value]
    return "" if isinstance(value, str) else value  # of a wrong type: that it is one is a finding, its text is nobody's


def ALL(value: Any) -> Any:
    """Everything below, where Istio or Kubernetes has no place for a secret."""
    return _clean(value)


def _clean(value: Any, key: str = "", *, by_name: bool = False) -> Any:
    """Texts that are secrets all the same are emptied: a private key, a login in an address, a private key of tokens; by_name: also a
    password that is called so, where there are fields that nobody has declared."""
    if isinstance(value, Mapping):
        return {name: _clean(item, str(name), by_name=by_name) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item, key, by_name=by_name) for item in value]
    if isinstance(value, str):
        if key == "jwks":
            return _public_keys(value)
        return "" if is_secret(value) or (by_name and names_a_secret(key)) else value
    return value


_PUBLIC_NUMBERS = frozenset({"kty", "kid", "use", "key_ops", "alg", "n", "e", "crv", "x", "y", "x5t", "x5t#S256", "x5c"})


def _public_keys(text: str) -> str:
    """Keys of tokens with what is public of them."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    rows = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "kty" in row for row in rows):
        return "" if not text else "null"  # no keys, as it was before
    return json.dumps({"keys": [{name: row[name] if name in _PUBLIC_NUMBERS else "" for name in row} for row in rows]})


def as_it_is(value: Any) -> Any:
    """What this collection made itself, from what is public."""
    return value


def shape(value: Any) -> Any:
    """Which fields there are, with numbers and switches: that a field is still written is a finding of an upgrade, its text is not."""
    if isinstance(value, Mapping):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [shape(item) for item in value]
    return "" if isinstance(value, str) else value


def names_only(value: Any) -> Any:
    """The names of a map, or of a list of named things; no value."""
    if isinstance(value, Mapping):
        return dict.fromkeys(value, "")
    if isinstance(value, (list, tuple)):
        return [
            {field: item[field] for field in ("name", "envName", "valueFrom") if field in item} if isinstance(item, Mapping) else ""
            for item in value
        ]
    return "" if isinstance(value, str) else value


def _set(words: str, rule: Rule = ALL) -> dict[str, Rule]:
    return dict.fromkeys(words.split(), rule)


_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_WITHHELD = "-----BEGIN WITHHELD KEY-----\n-----END WITHHELD KEY-----"

# metadata

# Whose annotations are read; anything else on an object may be anybody's note.
_OWNERS = (
    "istio.io",
    "maistra.io",
    "kiali.io",
    "sailoperator.io",
    "meshops.io",
    "jaegertracing.io",
    "cert-manager.io",
    "k8s.v1.cni.cncf.io",
    "gateway.networking.k8s.io",
)
_ALSO = frozenset({
    "kubectl.kubernetes.io/restartedAt", "kubectl.kubernetes.io/default-container", "deployment.kubernetes.io/revision",
    "prometheus.io/scrape", "prometheus.io/port", "prometheus.io/path", "networking.kubernetes.io/network-policy",
    "openshift.io/node-selector", "openshift.io/requester", "olm.operatorGroup", "olm.operatorNamespace", "olm.targetNamespaces",
    "olm.providedAPIs", "service.beta.openshift.io/serving-cert-secret-name", "kubernetes.io/service-account.name",
    "kubernetes.io/ingress.class",
})  # fmt: skip
# The images of each version, on the Deployment of an operator.
_IMAGE_NOTES = re.compile(r"(images|olm\.relatedImage)\.v")


def _annotations(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return "" if isinstance(value, str) else value
    return {key: _annotation(text) for key, text in value.items() if _is_read(str(key))}


def _is_read(key: str) -> bool:
    owner = key.partition("/")[0]
    return key in _ALSO or bool(_IMAGE_NOTES.match(key)) or any(owner == name or owner.endswith("." + name) for name in _OWNERS)


def _annotation(text: Any) -> Any:
    """proxy.istio.io/config is YAML, and may have what MeshConfig may have."""
    if not isinstance(text, str) or (":" not in text and not is_secret(text)):
        return text
    loaded = _loaded(text)
    if isinstance(loaded, dict):
        cleaned = _clean(loaded, by_name=True)
        return text if cleaned == loaded else str(yaml_dump(cleaned, default_flow_style=False))
    return "" if is_secret(text) else text


def _our_annotations(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return {}
    return {key: text for key, text in value.items() if str(key).partition("/")[0] in ("mesh.meshops.io", "cert-manager.io")}


def _our_labels(value: Any) -> Any:
    """Of a Secret: who made it. What else its owner wrote on it is not read."""
    owners = ("app.kubernetes.io", "istio.io", "istio", "maistra.io", "meshops.io", "cert-manager.io")
    if not isinstance(value, Mapping):
        return {}
    return {key: text for key, text in value.items() if any((str(key).partition("/")[0]).endswith(name) for name in owners)}


_METADATA = {
    **_set(
        "name namespace generateName uid generation labels ownerReferences creationTimestamp deletionTimestamp finalizers resourceVersion"
    ),
    "labels": as_it_is,
    "annotations": _annotations,
}
_SECRET_METADATA = {**_METADATA, "labels": _our_labels, "annotations": _our_annotations}

# what has pods

_PROBE = {
    **_set("initialDelaySeconds timeoutSeconds periodSeconds successThreshold failureThreshold"),
    "httpGet": _set("port path scheme"), "tcpSocket": _set("port"), "grpc": _set("port"),
}  # fmt: skip
# Variables by which istiod, its CA and the proxies are switched; only in their own containers.
_SWITCHES = re.compile(
    r"(PILOT|ENABLE|ISTIO|CITADEL|CA|BLOCKED|AUTO|EXTERNAL|UNSAFE|XDS|K_|AMBIENT|TRUST|PROXY|DRY_RUN|INJECT|VALIDATE|LOCAL)_?\w*"
    r"|SHARED_MESH_CONFIG|JWT_POLICY|REVISION|CLUSTER_ID|PLATFORM|ROOT_CA_DIR|POD_NAMESPACE|\w*TRUST_DOMAIN\w*"
)
_OF_ISTIO = frozenset({"discovery", "istio-proxy", "istiod", "install-cni", "ztunnel"})


def _switches(value: Any) -> Any:
    """Variables as a map, with the values of those that switch something in Istio."""
    if not isinstance(value, Mapping):
        return "" if isinstance(value, str) else value
    return {name: _switch(str(name), text) for name, text in value.items()}


def _switch(name: str, text: Any) -> Any:
    if not isinstance(text, str):
        return text if isinstance(text, (bool, int, float)) else _clean(text)
    return text if _SWITCHES.fullmatch(name) and not names_a_secret(name) and not is_secret(text) else ""


def _variables(value: Any, *, ours: bool) -> Any:
    rows = value if isinstance(value, (list, tuple)) else []
    found = []
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        known = {"value": _switch(str(row.get("name")), row["value"])} if ours and "value" in row else {}
        found.append({field: row[field] for field in ("name", "valueFrom") if field in row} | known)
    return found


# istio-csr by its own chart says so whose certificates it makes, istiod the cluster's domain.
_READ_ARGUMENTS = ("--istiod-cert-istio-revisions=", "--istiod-cert-additional-dns-names=", "--certificate-namespace=", "--domain")
_CONTAINER = {
    **_set("name image ports restartPolicy resources"),
    **_set("readinessProbe livenessProbe startupProbe", _PROBE),
    "volumeMounts": _set("name mountPath readOnly"),
    "securityContext": _set("runAsUser runAsGroup privileged allowPrivilegeEscalation readOnlyRootFilesystem runAsNonRoot capabilities"),
}  # fmt: skip


def _container(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_container(item) for item in value]
    shown = _apply(value, _CONTAINER)
    if isinstance(value, Mapping) and isinstance(value.get("args"), (list, tuple)):
        words = [word if isinstance(word, str) else "" for word in value["args"]]
        told = [word for before, word in zip(["", *words], words, strict=False) if word.startswith(_READ_ARGUMENTS) or before == "--domain"]
        shown |= {"args": told} if told else {}
    if isinstance(value, Mapping) and "env" in value:
        shown["env"] = _variables(value["env"], ours=value.get("name") in _OF_ISTIO)
    return shown


_POD_SPEC = {
    **_set("serviceAccountName serviceAccount hostNetwork nodeName nodeSelector tolerations affinity topologySpreadConstraints"
           " priorityClassName terminationGracePeriodSeconds restartPolicy dnsPolicy hostPID readinessGates runtimeClassName"
           " automountServiceAccountToken"),
    "containers": _container, "initContainers": _container,
    "volumes": {"name": ALL, "secret": _set("secretName optional"), "configMap": _set("name optional"),
                "persistentVolumeClaim": _set("claimName"), "emptyDir": _set("medium sizeLimit"), "csi": _set("driver")},
    "securityContext": _set("runAsUser runAsGroup runAsNonRoot fsGroup sysctls"),
}  # fmt: skip
_TEMPLATE = {"metadata": {"labels": as_it_is, "annotations": _annotations, "name": ALL}, "spec": _POD_SPEC}
_STATUS = {
    **_set(
        "conditions observedGeneration replicas readyReplicas availableReplicas updatedReplicas unavailableReplicas"
        " currentReplicas collisionCount currentRevision updateRevision numberReady numberAvailable numberUnavailable"
        " desiredNumberScheduled currentNumberScheduled updatedNumberScheduled numberMisscheduled active succeeded failed phase"
        " state"
    )
}
_WORKLOAD_SPEC = {
    **_set("replicas selector strategy updateStrategy minReadySeconds progressDeadlineSeconds paused serviceName podManagementPolicy"
           " revisionHistoryLimit schedule suspend parallelism completions backoffLimit concurrencyPolicy test workloadRef"),
    "template": _TEMPLATE,
    "jobTemplate": {"spec": {**_set("selector parallelism completions suspend"), "template": _TEMPLATE}},
}  # fmt: skip
_WORKLOAD = {"spec": _WORKLOAD_SPEC, "status": _STATUS}
_STATE = {"*": _set("reason message exitCode startedAt finishedAt")}
_CONTAINER_STATUS = {**_set("name ready started restartCount image imageID"), "state": _STATE, "lastState": _STATE}
_POD = {
    "spec": _POD_SPEC,
    "status": {
        **_set("phase conditions startTime reason message podIP podIPs hostIP"),
        **_set("containerStatuses initContainerStatuses", _CONTAINER_STATUS),
    },
}  # fmt: skip
# A kind that nobody here knows may have pods, and the pods' template is in the places where operators put it.
_UNKNOWN = {"spec": {**_set("replicas selector"), "template": _TEMPLATE, "jobTemplate": _WORKLOAD_SPEC["jobTemplate"]}, "status": _STATUS}

# Istio's own configuration

_PROVIDER = {
    "name": ALL,
    "*": {
        **_set("service port timeout failOpen clearRouteCache statusOnError statusOnErrorCode pathPrefix includeRequestHeadersInCheck"
               " headersToUpstreamOnAllow headersToDownstreamOnDeny headersToDownstreamOnAllow includeRequestBodyInCheck"
               " maxTagLength debug path logFormat logName enable64bitTraceId disableContextPropagation address tagKeys"
               " resourceDetectors dynatraceSampler filterStateObjectsToLog additionalRequestHeadersToLog"
               " additionalResponseHeadersToLog additionalResponseTrailersToLog project omitEmptyValues traceContextOption"),
        "includeAdditionalHeadersInCheck": names_only,
        "http": {**_set("path timeout"), "headers": names_only},
        "grpc": {"timeout": ALL, "initialMetadata": names_only},
    },
}  # fmt: skip
_TRACING = {
    **_set("sampling maxPathTagLength enableIstioTags"),
    "customTags": names_only,
    "zipkin": _set("address"),
    "lightstep": _set("address"),
    "datadog": _set("address"),
    "stackdriver": _set("debug"),
    "tlsSettings": ALL,
}
_PROXY_CONFIG = {
    **_set("configPath binaryPath serviceCluster drainDuration discoveryAddress statsdUdpAddress proxyAdminPort concurrency"
           " interceptionMode statNameLength controlPlaneAuthPolicy customConfigFile holdApplicationUntilProxyStarts"
           " terminationDrainDuration meshId gatewayTopology proxyStatsMatcher statusPort extraStatTags runtimeValues"
           " privateKeyProvider image availabilityZone proxyBootstrapTemplatePath parentShutdownDuration selector environmentVariables"),
    "proxyMetadata": _switches, "tracing": _TRACING, "envoyMetricsService": _set("address"), "envoyAccessLogService": _set("address"),
    "environmentVariables": _switches, "readinessProbe": _PROBE,
}  # fmt: skip
_MESH_CONFIG: dict[str, Rule] = {
    **_set("proxyListenPort proxyInboundListenPort proxyHttpPort connectTimeout tcpKeepalive ingressClass ingressService"
           " ingressControllerMode ingressSelector accessLogFile accessLogFormat accessLogEncoding enableTracing"
           " enableEnvoyAccessLogService disableEnvoyListenerLog outboundTrafficPolicy inboundTrafficPolicy trustDomain"
           " trustDomainAliases defaultServiceExportTo defaultVirtualServiceExportTo defaultDestinationRuleExportTo rootNamespace"
           " localityLbSetting dnsRefreshRate h2UpgradePolicy inboundClusterStatName outboundClusterStatName enablePrometheusMerge"
           " verifyCertificateAtClient caCertificates enableAutoMtls pathNormalization defaultHttpRetryPolicy meshMTLS tlsDefaults"
           " discoverySelectors defaultProviders serviceSettings serviceScopeConfigs protocolDetectionTimeout mixerCheckServer"
           " hboneIdleTimeout statPrefix certificates configSources thriftConfig"),
    "defaultConfig": _PROXY_CONFIG, "extensionProviders": _PROVIDER, "ca": _set("address istiodSide requestTimeout tlsSettings"),
    "*": shape,
}  # fmt: skip
_GLOBAL = {
    **_set("istioNamespace hub tag variant platform network meshID meshNetworks multiCluster caAddress caName pilotCertProvider"
           " jwtPolicy logAsJson logging externalIstiod remotePilotAddress defaultPodDisruptionBudget operatorManageWebhooks"
           " configValidation configCluster omitSidecarInjectorConfigMap mountMtlsCerts priorityClassName networkPolicy"
           " nativeNftables imagePullPolicy istiod sts sds oneNamespace defaultNodeSelector defaultTolerations trustBundleName"
           " ipFamilies ipFamilyPolicy autoscalingv2API certSigners trustDomain podDNSSearchNamespaces agentgateway"),
    "proxy": _set("includeIPRanges excludeIPRanges includeInboundPorts excludeInboundPorts includeOutboundPorts excludeOutboundPorts"
                  " autoInject clusterDomain image holdApplicationUntilProxyStarts resources tracer privileged statusPort"
                  " readinessInitialDelaySeconds readinessPeriodSeconds readinessFailureThreshold enableCoreDump componentLogLevel"
                  " logLevel outlierLogPath startupProbe seccompProfile"),
    "proxy_init": _set("image resources forceApplyIptables"), "waypoint": _set("resources affinity nodeSelector tolerations"),
    "tracer": {"*": _set("address")}, "*": shape,
}  # fmt: skip
_PILOT = {
    **_set("enabled autoscaleEnabled autoscaleMin autoscaleMax autoscaleBehavior replicaCount hub tag variant image traceSampling"
           " resources cpu memory rollingMaxSurge rollingMaxUnavailable cni taint trustedZtunnelNamespace trustedZtunnelName"
           " nodeSelector tolerations affinity topologySpreadConstraints deploymentLabels podLabels configMap"
           " keepaliveMaxServerConnectionAge istiodRemote crlConfigMapName ipFamilyPolicy ipFamilies"),
    "env": _switches, "podAnnotations": _annotations, "serviceAnnotations": _annotations, "*": shape,
}  # fmt: skip
_VALUES = {
    "meshConfig": _MESH_CONFIG, "global": _GLOBAL, "pilot": _PILOT,
    **_set("revision revisionTags defaultRevision compatibilityVersion profile istio_cni telemetry"),
    "cni": _set("cniBinDir cniConfDir cniNetnsDir cniConfFileName chained excludeNamespaces provider ambient repair resource_quotas"
                " logLevel hub tag image rollingMaxUnavailable resources psp_cluster_role privileged enabled") | {"*": shape},
    "ztunnel": {**_set("hub tag image resources variant meshName network terminationGracePeriodSeconds logLevel caAddress xdsAddress"
                       " istioNamespace multiCluster"), "env": _switches},
    "sidecarInjectorWebhook": _set("neverInjectSelector alwaysInjectSelector rewriteAppHTTPProbe enableNamespacesByDefault"
                                   " reinvocationPolicy defaultTemplates injectedAnnotations") | {"*": shape},
    "base": _set("enableCRDTemplates excludedCRDs validationURL enableIstioConfigCRDs"),
    "gateways": _set("securityContext seccompProfile"), "experimental": _set("stableValidationPolicy"), "*": shape,
}  # fmt: skip
_SAIL = {
    "spec": {**_set("version namespace profile updateStrategy targetRef type"), "values": _VALUES},
    "status": _set("conditions state observedGeneration activeRevisionName revisions istioRevision istiodNamespace version"),
}  # fmt: skip


def _loaded(text: str) -> Any:
    if not HAS_YAML:
        return None
    try:
        return yaml_load(text)
    except (YAMLError, ValueError):
        return None


def _config_map(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Istio's MeshConfig, what our rollouts remember, and certificates; of others that they are there."""
    data = obj.get("data")
    if not isinstance(data, Mapping):
        return {}
    found = {key: text for key, text in data.items() if isinstance(text, str) and _CERTIFICATES.fullmatch(text)}
    name = str(obj["metadata"].get("name"))
    istio = name == "istio" or name.startswith("istio-")
    if (text := data.get("mesh")) and (settings := _mesh_settings(text)):
        found["mesh"] = str(yaml_dump(_apply(settings, _MESH_CONFIG), default_flow_style=False))
    elif istio and isinstance(text, str) and text.strip() in ("", "{}"):
        found["mesh"] = text  # nothing but defaults
    elif istio and isinstance(text, str):
        found["mesh"] = {type(None): "{withheld", list: "[]\n"}.get(type(_loaded(text)), "withheld")  # nothing that istiod could read
    if istio and isinstance(networks := _loaded(str(data.get("meshNetworks") or "")), dict):
        found["meshNetworks"] = str(yaml_dump(_apply(networks, ALL), default_flow_style=False))
    for key in ("values", "merged-values"):  # of the injector, and of a revision's charts
        if (istio or name.startswith("values")) and (values := _injector_values(data.get(key))):
            found[key] = json.dumps(values)
    if name == ROOT_MAP and isinstance(text := data.get("root-cert.pem"), str):
        found["root-cert.pem"] = _public_part(text)
    if is_rollout(obj) and isinstance(data.get("state"), str) and not is_secret(data["state"]):
        found["state"] = data["state"]
    return {"data": found} if found or istio else {}


def _public_part(text: str) -> str:
    """Certificates as they are; of a private key that there is one; of anything else whether it is the same elsewhere."""
    if _CERTIFICATES.fullmatch(text):
        return text
    found = [match for match in _BLOCK.finditer(text) if match[1].endswith((" KEY", "CERTIFICATE"))]
    blocks = [_WITHHELD if match[1].endswith(" KEY") else match[0] for match in found]
    rest = _BLOCK.sub("", text).strip()
    return "\n".join([*blocks, *([f"withheld {hashlib.sha256(rest.encode()).hexdigest()[:8]}"] if rest else [])])


def _mesh_settings(text: Any) -> dict[str, Any]:
    """MeshConfig as it is written in a ConfigMap; empty where it is something else."""
    loaded = _loaded(text) if isinstance(text, str) else None
    return loaded if isinstance(loaded, dict) and (not loaded or set(loaded) & set(_MESH_CONFIG)) else {}


_READ_OF_PROXY = ("clusterDomain", "includeInboundPorts", "excludeInboundPorts", "image")
_READ_OF_GLOBAL = ("hub", "tag", "variant")
_IMAGE = re.compile(r"[A-Za-z0-9_./:@-]*")
_PORTS = re.compile(r"[*0-9, ]*")


def _injector_values(text: Any) -> dict[str, Any]:
    """The cluster's domain, the ports that proxies do not take, which image they have, and whether namespaces have to ask for them."""
    loaded = _loaded(text) if isinstance(text, str) else None
    values = loaded if isinstance(loaded, Mapping) else {}
    whole = section(values, "global")
    read = {key: str(one) for key, one in section(whole, "proxy").items() if key in _READ_OF_PROXY and isinstance(one, (str, int))}
    fitting = {"clusterDomain": re.compile(".*"), "image": _IMAGE}
    proxy = {key: one for key, one in read.items() if fitting.get(key, _PORTS).fullmatch(one)}
    image = {key: str(whole[key]) for key in _READ_OF_GLOBAL if isinstance(whole.get(key), (str, int, float))}
    own = {key: one for key, one in image.items() if _IMAGE.fullmatch(one)} | ({"proxy": proxy} if proxy else {})
    default = section(values, "sidecarInjectorWebhook").get("enableNamespacesByDefault")
    asked = {"sidecarInjectorWebhook": {"enableNamespacesByDefault": default}} if isinstance(default, bool) else {}
    return ({"global": own} if own else {}) | asked


# Secrets


def _secret(obj: Mapping[str, Any]) -> dict[str, Any]:
    data = obj.get("data") if isinstance(obj.get("data"), Mapping) else {}
    texts = obj.get("stringData") if isinstance(obj.get("stringData"), Mapping) else {}
    return {
        **({"type": obj["type"]} if "type" in obj else {}),
        "data": {key: certificates_of(str(key), value) for key, value in {**(data or {}), **coded_texts(texts or {})}.items()},
    }


_CERTIFICATE_ITEMS = ("cert", "cacert")
_WITHHELD_CONTENT = "-----BEGIN WITHHELD CONTENT-----\n-----END WITHHELD CONTENT-----\n"


def certificates_of(key: str, value: Any) -> str:
    """What an item of a Secret shows: certificates as they are. Where others belong to them, or nothing is one, a block says that something
    was there: to leave it out would look as if nothing was wrong. Nothing of any other item."""
    named = key.endswith((".crt", ".pem", ".cert")) or key in _CERTIFICATE_ITEMS
    if not named or key.endswith(("key.pem", "key.crt")) or not isinstance(value, str) or not value.strip():
        return ""
    try:
        text = base64.b64decode(value, validate=True).decode("ascii")
    except ValueError:
        text = "?"
    if not text.strip() or _CERTIFICATES.fullmatch(text):
        return value if text.strip() else ""
    blocks = [match[0] for match in _BLOCK.finditer(text) if match[1] == "CERTIFICATE" and _CERTIFICATES.fullmatch(match[0])]
    more = _WITHHELD + "\n" if " KEY-----" in text else _WITHHELD_CONTENT
    return base64.b64encode("\n".join([*blocks, more]).encode()).decode()


# traffic

_HOST = ("host", ":authority")  # a route that sets one of them sends requests to another host


def _header_values(value: Any) -> Any:
    found = names_only(value)
    if isinstance(found, dict):
        found |= {name: ALL(text) for name, text in value.items() if str(name).lower() in _HOST}
    return found


_HEADER_CHANGES = {"*": {"set": _header_values, "add": _header_values, "remove": ALL}}
_HTTP = {
    "*": ALL,
    "headers": _HEADER_CHANGES,
    "directResponse": _set("status"),
    "fault": ALL,
    "route": {"*": ALL, "headers": _HEADER_CHANGES},
    "rewrite": ALL,
}
_VIRTUAL_SERVICE = {"spec": {"*": ALL, "http": _HTTP}, "status": _set("conditions observedGeneration validationMessages")}
_FILTER_HEADERS = {"set": names_only, "add": names_only, "remove": ALL}
_ROUTE_FILTER = {
    **_set("type requestMirror requestRedirect urlRewrite extensionRef cors"),
    **_set("requestHeaderModifier responseHeaderModifier", _FILTER_HEADERS),
}
_ROUTE_RULE = {"*": ALL, "filters": _ROUTE_FILTER, "backendRefs": {"*": ALL, "filters": _ROUTE_FILTER}}
_GATEWAY_ROUTE = {"spec": {"*": ALL, "rules": _ROUTE_RULE}, "status": ALL}
_WHOLE = {"spec": ALL, "status": ALL}


def _spec(words: str, status: Rule = ALL) -> dict[str, Rule]:
    return {"spec": _set(words), "status": status}


_ENVOY_PATCH = {"operation": ALL, "filterClass": ALL, "value": {"name": ALL, "typed_config": _set("@type")}}
_ENVOY_FILTER = {
    "spec": {**_set("workloadSelector targetRefs priority"), "configPatches": {"applyTo": ALL, "match": ALL, "patch": _ENVOY_PATCH}}
}

# observability

_CONDITIONS = _set("conditions observedGeneration phase state version reason message deployment progress url")
_KIALI = {
    "spec": {
        **_set("version istio_namespace installation_tag"),
        "deployment": _set("instance_name namespace cluster_wide_access accessible_namespaces discovery_selectors replicas view_only_mode"
                           " image_version image_name ingress"),
        "auth": {"strategy": ALL, "openid": _set("client_id issuer_uri authorization_endpoint username_claim disable_rbac scopes"),
                 "openshift": ALL},
        "external_services": {"*": {**_set("enabled url internal_url external_url in_cluster_url is_core provider use_grpc"
                                           " namespace_selector query_scope thanos_proxy dashboards istio_namespace"
                                           " root_namespace config_map_name"
                                           " istiod_deployment_name istio_sidecar_injector_config_map_name istio_identity_domain"
                                           " istio_injection_annotation component_status gateway_api_classes validation_change_detection"
                                           " tempo_config whitelist_istio_system disable_version_check health_check_url"),
                                    "auth": _set("type use_kiali_token insecure_skip_verify ca_file")}},
        "server": _set("port web_root observability"), "kubernetes_config": _set("cache_enabled"),
        "clustering": ALL, "istio_labels": ALL,
    },
    "status": _CONDITIONS,
}  # fmt: skip
_ELASTIC = _set("nodeCount redundancyPolicy resources storage name doNotProvision image nodeSelector tolerations useCertManagement")
_JAEGER = {
    "spec": {
        "strategy": ALL,
        "storage": {**_set("type secretName"), "elasticsearch": _ELASTIC, "esIndexCleaner": _set("enabled numberOfDays schedule"),
                    "options": {"*": _set("server-urls index-prefix num-shards num-replicas max-traces"), "memory": ALL}},
        **_set("query collector agent ingester allInOne",
               _set("replicas image resources strategy serviceType maxReplicas minReplicas autoscale")),
        "ingress": _set("enabled security hosts"), "sampling": ALL,
    },
    "status": _CONDITIONS,
}  # fmt: skip
_PROMETHEUS = _spec(
    "replicas version image retention retentionSize serviceAccountName serviceMonitorSelector"
    " serviceMonitorNamespaceSelector podMonitorSelector podMonitorNamespaceSelector ruleSelector resources"
    " shards storage scrapeInterval",
    _CONDITIONS,
)

# OSSM 2: what a migration is planned from, so every field of its CRD; free texts and variables are what may hold a secret


def _smcp(value: Any) -> Any:
    """Everything that has no place for a secret; variables as those of Istio, and additional settings of components by name."""
    return _clean(_without_variables(value), by_name=True)


def _without_variables(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _smcp_field(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_variables(item) for item in value]
    return value


def _smcp_field(key: str, value: Any) -> Any:
    if key in ("env", "proxyMetadata") and isinstance(value, Mapping):
        return _switches(value)
    if key in ("customTags", "headers", "includeAdditionalHeadersInCheck", "includeHeadersInCheck", "initialMetadata"):
        return names_only(value)
    if key in ("args", "command"):
        return ["" for _item in value] if isinstance(value, (list, tuple)) else ""
    if key == "meshConfig":
        return _apply(value, _MESH_CONFIG)
    if key in ("annotations", "podAnnotations", "serviceAnnotations"):
        return _annotations(value)
    if key == "config" and isinstance(value, Mapping):  # PEM files of a Jaeger, of OAuth
        return names_only(value)
    return _without_variables(value)


_CSV = {
    "spec": {**_set("version displayName replaces skips installModes relatedImages minKubeVersion"),
             "customresourcedefinitions": {"*": _set("name kind version displayName")},
             "install": {"strategy": ALL, "spec": {"deployments": {"name": ALL, "spec": _WORKLOAD_SPEC}}}},
    "status": _set("phase reason message conditions lastTransitionTime lastUpdateTime"),
}  # fmt: skip

_POLICY = {"spec": ALL, "status": _set("conditions observedGeneration validationMessages")}
_WEBHOOKS = {"webhooks": ALL}
_CRD = {
    "spec": {**_set("group names scope"), "versions": _set("name served storage deprecated")},
    "status": _set("conditions storedVersions acceptedNames"),
}
_PACKAGE = {
    "status": {
        **_set("catalogSource catalogSourceNamespace catalogSourceDisplayName packageName defaultChannel"),
        "channels": {**_set("name currentCSV"), "entries": _set("name version")},
    }
}

_KINDS: dict[tuple[str, str], Mapping[str, Rule] | Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    ("", "ConfigMap"): _config_map,
    ("", "Secret"): _secret,
    ("", "Namespace"): _WHOLE,
    ("", "Node"): {"spec": _set("taints unschedulable podCIDR"), "status": _set("conditions nodeInfo allocatable capacity addresses")},
    ("", "Pod"): _POD,
    ("", "Service"): _WHOLE,
    ("", "ServiceAccount"): {"secrets": names_only, "imagePullSecrets": names_only},
    ("", "Endpoints"): {"subsets": ALL},
    ("discovery.k8s.io", "EndpointSlice"): _set("addressType endpoints ports"),
    ("", "PersistentVolumeClaim"): _spec("accessModes resources storageClassName volumeName", _CONDITIONS),
    **{("apps", kind): _WORKLOAD for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")},
    **{("batch", kind): _WORKLOAD for kind in ("Job", "CronJob")},
    **{("rbac.authorization.k8s.io", kind): _set("rules aggregationRule roleRef subjects")
       for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")},
    ("policy", "PodDisruptionBudget"): _WHOLE,
    ("networking.k8s.io", "NetworkPolicy"): _WHOLE,
    ("networking.k8s.io", "Ingress"): _WHOLE,
    ("autoscaling", "HorizontalPodAutoscaler"): _WHOLE,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): _WEBHOOKS,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): _WEBHOOKS,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _CRD,
    ("packages.operators.coreos.com", "PackageManifest"): _PACKAGE,
    **{("sailoperator.io", kind): _SAIL for kind in ("Istio", "IstioRevision", "IstioRevisionTag", "IstioCNI", "ZTunnel")},
    ("install.istio.io", "IstioOperator"): {"spec": {**_set("namespace revision tag hub profile"), "values": _VALUES,
                                                     "meshConfig": _MESH_CONFIG}},
    ("maistra.io", "ServiceMeshControlPlane"): {"spec": _smcp, "status": _smcp},
    ("maistra.io", "ServiceMeshMemberRoll"): _WHOLE,
    ("maistra.io", "ServiceMeshMember"): _WHOLE,
    ("maistra.io", "ServiceMeshExtension"): {"spec": _set("image phase priority workloadSelector"), "status": _CONDITIONS},
    ("federation.maistra.io", "ServiceMeshPeer"): _WHOLE,
    ("federation.maistra.io", "ExportedServiceSet"): _WHOLE,
    ("federation.maistra.io", "ImportedServiceSet"): _WHOLE,
    ("operator.openshift.io", "IstioCSR"): _WHOLE,
    ("operators.coreos.com", "CatalogSource"): _spec("sourceType image displayName publisher priority address"),
    ("operators.coreos.com", "ClusterServiceVersion"): _CSV,
    ("operators.coreos.com", "InstallPlan"): _spec(
        "approval approved clusterServiceVersionNames generation", _set("phase conditions message startTime catalogSources")
    ),
    ("operators.coreos.com", "OperatorGroup"): _WHOLE,
    ("operators.coreos.com", "Subscription"): _spec("channel name source sourceNamespace startingCSV installPlanApproval"),
    **{("networking.istio.io", kind): _POLICY for kind in ("DestinationRule", "Gateway", "Sidecar", "WorkloadEntry")},
    ("networking.istio.io", "ServiceEntry"): {"spec": ALL, "status": _set("conditions observedGeneration validationMessages addresses")},
    ("networking.istio.io", "WorkloadGroup"): {"spec": {"metadata": {"labels": ALL, "annotations": _annotations}, "template": ALL,
                                                        "probe": _PROBE}},
    ("networking.istio.io", "VirtualService"): _VIRTUAL_SERVICE,
    ("networking.istio.io", "EnvoyFilter"): _ENVOY_FILTER,
    ("networking.istio.io", "ProxyConfig"): {"spec": _PROXY_CONFIG},
    **{("security.istio.io", kind): _POLICY for kind in ("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication")},
    ("telemetry.istio.io", "Telemetry"): _POLICY,
    ("extensions.istio.io", "WasmPlugin"): {"spec": _set("selector targetRef targetRefs url phase priority failStrategy match type"
                                                         " imagePullPolicy")},
    **{("gateway.networking.k8s.io", kind): _GATEWAY_ROUTE for kind in ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")},
    **{("gateway.networking.k8s.io", kind): _WHOLE
       for kind in ("Gateway", "GatewayClass", "ReferenceGrant", "BackendTLSPolicy", "XListenerSet", "ListenerSet")},
    ("inference.networking.x-k8s.io", "InferencePool"): _WHOLE,
    ("inference.networking.k8s.io", "InferencePool"): _WHOLE,
    ("route.openshift.io", "Route"): {"spec": {**_set("host path to port wildcardPolicy alternateBackends subdomain"),
                                               "tls": _set("termination insecureEdgeTerminationPolicy externalCertificate")},
                                      "status": ALL},
    ("kiali.io", "Kiali"): _KIALI,
    ("jaegertracing.io", "Jaeger"): _JAEGER,
    ("monitoring.coreos.com", "Prometheus"): _PROMETHEUS,
    ("tempo.grafana.com", "TempoStack"): {"spec": {**_set("storageSize retention replicationFactor resources managementState"),
                                                   "storage": {"secret": _set("name type")}}, "status": _CONDITIONS},
    ("tempo.grafana.com", "TempoMonolithic"): {"spec": _set("resources managementState"), "status": _CONDITIONS},
    ("opentelemetry.io", "OpenTelemetryCollector"): {"spec": _set("mode replicas image serviceAccount managementState"),
                                                     "status": _CONDITIONS},
    ("cert-manager.io", "Certificate"): _WHOLE,
    ("cert-manager.io", "Issuer"): {"status": _set("conditions")},
    ("cert-manager.io", "ClusterIssuer"): {"status": _set("conditions")},
    # what certificate_check read elsewhere; keys are not in it
    ("mesh.meshops.io", "CertificateSource"): {"spec": as_it_is},
}  # fmt: skip
