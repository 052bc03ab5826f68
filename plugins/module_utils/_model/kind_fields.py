# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The fields of Istio's and the Gateway API's kinds, of their definitions (istio.io/api 1.31.1, sigs.k8s.io/gateway-api 1.4.0).

Written by tests/tools/field_table.py. A block is a kind, with the versions that are served; a line is a field below `spec`, indented below
its parent: NAME[!] [list] [text|whole|number|switch|text-or-whole|any|one of A B]. `!`: it has to be there. `*`: any name."""

from __future__ import annotations

__all__ = ["FIELDS"]

FIELDS = """
extensions.istio.io TrafficExtension v1alpha1
 lua
  inlineCode! text
 match list
  mode one of UNDEFINED CLIENT SERVER CLIENT_AND_SERVER
  ports list
   number! whole
 phase one of UNSPECIFIED AUTHN AUTHZ STATS
 priority whole
 selector
  matchLabels
   * text
 targetRefs list
  group text
  kind! text
  name! text
  namespace text
 wasm
  failStrategy one of FAIL_CLOSE FAIL_OPEN FAIL_RELOAD
  imagePullPolicy one of UNSPECIFIED_POLICY IfNotPresent Always
  imagePullSecret text
  pluginConfig any
  pluginName text
  sha256 text
  type one of UNSPECIFIED_PLUGIN_TYPE HTTP NETWORK
  url! text
  verificationKey text
  vmConfig
   env list
    name! text
    value text
    valueFrom one of INLINE HOST

extensions.istio.io WasmPlugin v1alpha1
 failStrategy one of FAIL_CLOSE FAIL_OPEN FAIL_RELOAD
 imagePullPolicy one of UNSPECIFIED_POLICY IfNotPresent Always
 imagePullSecret text
 match list
  mode one of UNDEFINED CLIENT SERVER CLIENT_AND_SERVER
  ports list
   number! whole
 phase one of UNSPECIFIED_PHASE AUTHN AUTHZ STATS
 pluginConfig any
 pluginName text
 priority whole
 selector
  matchLabels
   * text
 sha256 text
 targetRef
  group text
  kind! text
  name! text
  namespace text
 targetRefs list
  group text
  kind! text
  name! text
  namespace text
 type one of UNSPECIFIED_PLUGIN_TYPE HTTP NETWORK
 url! text
 verificationKey text
 vmConfig
  env list
   name! text
   value text
   valueFrom one of INLINE HOST

gateway.networking.k8s.io BackendTLSPolicy v1 v1alpha3
 options
  * text
 targetRefs! list
  group! text
  kind! text
  name! text
  sectionName text
 validation!
  caCertificateRefs list
   group! text
   kind! text
   name! text
  hostname! text
  subjectAltNames list
   hostname text
   type! one of Hostname URI
   uri text
  wellKnownCACertificates one of System

gateway.networking.k8s.io GRPCRoute v1
 hostnames list text
 parentRefs list
  group text
  kind text
  name! text
  namespace text
  port whole
  sectionName text
 rules list
  backendRefs list
   filters list
    extensionRef
     group! text
     kind! text
     name! text
    requestHeaderModifier
     add list
      name! text
      value! text
     remove list text
     set list
      name! text
      value! text
    requestMirror
     backendRef!
      group text
      kind text
      name! text
      namespace text
      port whole
     fraction
      denominator whole
      numerator! whole
     percent whole
    responseHeaderModifier
     add list
      name! text
      value! text
     remove list text
     set list
      name! text
      value! text
    type! one of ResponseHeaderModifier RequestHeaderModifier RequestMirror ExtensionRef
   group text
   kind text
   name! text
   namespace text
   port whole
   weight whole
  filters list
   extensionRef
    group! text
    kind! text
    name! text
   requestHeaderModifier
    add list
     name! text
     value! text
    remove list text
    set list
     name! text
     value! text
   requestMirror
    backendRef!
     group text
     kind text
     name! text
     namespace text
     port whole
    fraction
     denominator whole
     numerator! whole
    percent whole
   responseHeaderModifier
    add list
     name! text
     value! text
    remove list text
    set list
     name! text
     value! text
   type! one of ResponseHeaderModifier RequestHeaderModifier RequestMirror ExtensionRef
  matches list
   headers list
    name! text
    type one of Exact RegularExpression
    value! text
   method
    method text
    service text
    type one of Exact RegularExpression
  name text
  sessionPersistence
   absoluteTimeout text
   cookieConfig
    lifetimeType one of Permanent Session
   idleTimeout text
   sessionName text
   type one of Cookie Header
 useDefaultGateways one of All None

gateway.networking.k8s.io Gateway v1 v1beta1
 addresses list
  type text
  value text
 allowedListeners
  namespaces
   from one of All Selector Same None
   selector
    matchExpressions list
     key! text
     operator! text
     values list text
    matchLabels
     * text
 defaultScope one of All None
 gatewayClassName! text
 infrastructure
  annotations
   * text
  labels
   * text
  parametersRef
   group! text
   kind! text
   name! text
 listeners! list
  allowedRoutes
   kinds list
    group text
    kind! text
   namespaces
    from one of All Selector Same
    selector
     matchExpressions list
      key! text
      operator! text
      values list text
     matchLabels
      * text
  hostname text
  name! text
  port! whole
  protocol! text
  tls
   certificateRefs list
    group text
    kind text
    name! text
    namespace text
   mode one of Terminate Passthrough
   options
    * text
 tls
  backend
   clientCertificateRef
    group text
    kind text
    name! text
    namespace text
  frontend
   default!
    validation
     caCertificateRefs! list
      group! text
      kind! text
      name! text
      namespace text
     mode one of AllowValidOnly AllowInsecureFallback
   perPort list
    port! whole
    tls!
     validation
      caCertificateRefs! list
       group! text
       kind! text
       name! text
       namespace text
      mode one of AllowValidOnly AllowInsecureFallback

gateway.networking.k8s.io GatewayClass v1 v1beta1
 controllerName! text
 description text
 parametersRef
  group! text
  kind! text
  name! text
  namespace text

gateway.networking.k8s.io HTTPRoute v1 v1beta1
 hostnames list text
 parentRefs list
  group text
  kind text
  name! text
  namespace text
  port whole
  sectionName text
 rules list
  backendRefs list
   filters list
    cors
     allowCredentials switch
     allowHeaders list text
     allowMethods list one of GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH *
     allowOrigins list text
     exposeHeaders list text
     maxAge whole
    extensionRef
     group! text
     kind! text
     name! text
    externalAuth
     backendRef!
      group text
      kind text
      name! text
      namespace text
      port whole
     forwardBody
      maxSize whole
     grpc
      allowedHeaders list text
     http
      allowedHeaders list text
      allowedResponseHeaders list text
      path text
     protocol! one of HTTP GRPC
    requestHeaderModifier
     add list
      name! text
      value! text
     remove list text
     set list
      name! text
      value! text
    requestMirror
     backendRef!
      group text
      kind text
      name! text
      namespace text
      port whole
     fraction
      denominator whole
      numerator! whole
     percent whole
    requestRedirect
     hostname text
     path
      replaceFullPath text
      replacePrefixMatch text
      type! one of ReplaceFullPath ReplacePrefixMatch
     port whole
     scheme one of http https
     statusCode one of 301 302
    responseHeaderModifier
     add list
      name! text
      value! text
     remove list text
     set list
      name! text
      value! text
    type! one of RequestHeaderModifier ResponseHeaderModifier RequestMirror RequestRedirect URLRewrite ExtensionRef CORS ExternalAuth
    urlRewrite
     hostname text
     path
      replaceFullPath text
      replacePrefixMatch text
      type! one of ReplaceFullPath ReplacePrefixMatch
   group text
   kind text
   name! text
   namespace text
   port whole
   weight whole
  filters list
   cors
    allowCredentials switch
    allowHeaders list text
    allowMethods list one of GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH *
    allowOrigins list text
    exposeHeaders list text
    maxAge whole
   extensionRef
    group! text
    kind! text
    name! text
   externalAuth
    backendRef!
     group text
     kind text
     name! text
     namespace text
     port whole
    forwardBody
     maxSize whole
    grpc
     allowedHeaders list text
    http
     allowedHeaders list text
     allowedResponseHeaders list text
     path text
    protocol! one of HTTP GRPC
   requestHeaderModifier
    add list
     name! text
     value! text
    remove list text
    set list
     name! text
     value! text
   requestMirror
    backendRef!
     group text
     kind text
     name! text
     namespace text
     port whole
    fraction
     denominator whole
     numerator! whole
    percent whole
   requestRedirect
    hostname text
    path
     replaceFullPath text
     replacePrefixMatch text
     type! one of ReplaceFullPath ReplacePrefixMatch
    port whole
    scheme one of http https
    statusCode one of 301 302
   responseHeaderModifier
    add list
     name! text
     value! text
    remove list text
    set list
     name! text
     value! text
   type! one of RequestHeaderModifier ResponseHeaderModifier RequestMirror RequestRedirect URLRewrite ExtensionRef CORS ExternalAuth
   urlRewrite
    hostname text
    path
     replaceFullPath text
     replacePrefixMatch text
     type! one of ReplaceFullPath ReplacePrefixMatch
  matches list
   headers list
    name! text
    type one of Exact RegularExpression
    value! text
   method one of GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH
   path
    type one of Exact PathPrefix RegularExpression
    value text
   queryParams list
    name! text
    type one of Exact RegularExpression
    value! text
  name text
  retry
   attempts whole
   backoff text
   codes list whole
  sessionPersistence
   absoluteTimeout text
   cookieConfig
    lifetimeType one of Permanent Session
   idleTimeout text
   sessionName text
   type one of Cookie Header
  timeouts
   backendRequest text
   request text
 useDefaultGateways one of All None

gateway.networking.k8s.io ReferenceGrant v1beta1
 from! list
  group! text
  kind! text
  namespace! text
 to! list
  group! text
  kind! text
  name text

gateway.networking.k8s.io TCPRoute v1alpha2
 parentRefs list
  group text
  kind text
  name! text
  namespace text
  port whole
  sectionName text
 rules! list
  backendRefs! list
   group text
   kind text
   name! text
   namespace text
   port whole
   weight whole
  name text
 useDefaultGateways one of All None

gateway.networking.k8s.io TLSRoute v1alpha2 v1alpha3
 hostnames list text
 parentRefs list
  group text
  kind text
  name! text
  namespace text
  port whole
  sectionName text
 rules! list
  backendRefs! list
   group text
   kind text
   name! text
   namespace text
   port whole
   weight whole
  name text
 useDefaultGateways one of All None

gateway.networking.k8s.io UDPRoute v1alpha2
 parentRefs list
  group text
  kind text
  name! text
  namespace text
  port whole
  sectionName text
 rules! list
  backendRefs! list
   group text
   kind text
   name! text
   namespace text
   port whole
   weight whole
  name text
 useDefaultGateways one of All None

networking.istio.io DestinationRule v1 v1alpha3 v1beta1
 exportTo list text
 host! text
 subsets list
  labels
   * text
  name! text
  trafficPolicy
   connectionPool
    http
     h2UpgradePolicy one of DEFAULT DO_NOT_UPGRADE UPGRADE
     http1MaxPendingRequests whole
     http2KeepAlive
      interval text
      timeout text
     http2MaxRequests whole
     idleTimeout text
     maxConcurrentStreams whole
     maxRequestsPerConnection whole
     maxRetries whole
     useClientProtocol switch
    tcp
     connectTimeout text
     idleTimeout text
     maxConnectionDuration text
     maxConnections whole
     tcpKeepalive
      interval text
      probes whole
      time text
   loadBalancer
    consistentHash
     httpCookie
      attributes list
       name! text
       value text
      name! text
      path text
      ttl text
     httpHeaderName text
     httpQueryParameterName text
     maglev
      tableSize whole
     minimumRingSize whole
     ringHash
      minimumRingSize whole
     useSourceIp switch
    localityLbSetting
     distribute list
      from text
      to
       * whole
     enabled switch
     failover list
      from text
      to text
     failoverPriority list text
    simple one of UNSPECIFIED LEAST_CONN RANDOM PASSTHROUGH ROUND_ROBIN LEAST_REQUEST
    warmup
     aggression number
     duration! text
     minimumPercent number
    warmupDurationSecs text
    zoneAwareLbSetting
     enabled switch
     failover list
      from text
      to text
     failoverPriority list text
     minClusterSize whole
   outlierDetection
    baseEjectionTime text
    consecutive5xxErrors whole
    consecutiveErrors whole
    consecutiveGatewayErrors whole
    consecutiveLocalOriginFailures whole
    interval text
    maxEjectionPercent whole
    minHealthPercent whole
    outlierDetectionHttpErrorCodes list whole
    splitExternalLocalOriginErrors switch
   portLevelSettings list
    connectionPool
     http
      h2UpgradePolicy one of DEFAULT DO_NOT_UPGRADE UPGRADE
      http1MaxPendingRequests whole
      http2KeepAlive
       interval text
       timeout text
      http2MaxRequests whole
      idleTimeout text
      maxConcurrentStreams whole
      maxRequestsPerConnection whole
      maxRetries whole
      useClientProtocol switch
     tcp
      connectTimeout text
      idleTimeout text
      maxConnectionDuration text
      maxConnections whole
      tcpKeepalive
       interval text
       probes whole
       time text
    loadBalancer
     consistentHash
      httpCookie
       attributes list
        name! text
        value text
       name! text
       path text
       ttl text
      httpHeaderName text
      httpQueryParameterName text
      maglev
       tableSize whole
      minimumRingSize whole
      ringHash
       minimumRingSize whole
      useSourceIp switch
     localityLbSetting
      distribute list
       from text
       to
        * whole
      enabled switch
      failover list
       from text
       to text
      failoverPriority list text
     simple one of UNSPECIFIED LEAST_CONN RANDOM PASSTHROUGH ROUND_ROBIN LEAST_REQUEST
     warmup
      aggression number
      duration! text
      minimumPercent number
     warmupDurationSecs text
     zoneAwareLbSetting
      enabled switch
      failover list
       from text
       to text
      failoverPriority list text
      minClusterSize whole
    outlierDetection
     baseEjectionTime text
     consecutive5xxErrors whole
     consecutiveErrors whole
     consecutiveGatewayErrors whole
     consecutiveLocalOriginFailures whole
     interval text
     maxEjectionPercent whole
     minHealthPercent whole
     outlierDetectionHttpErrorCodes list whole
     splitExternalLocalOriginErrors switch
    port
     number whole
    tls
     caCertificates text
     caCrl text
     clientCertificate text
     credentialName text
     insecureSkipVerify switch
     mode one of DISABLE SIMPLE MUTUAL ISTIO_MUTUAL
     privateKey text
     sni text
     subjectAltNames list text
   proxyProtocol
    version one of V1 V2
   retryBudget
    budgetInterval text
    minRetryConcurrency whole
    percent number
   tls
    caCertificates text
    caCrl text
    clientCertificate text
    credentialName text
    insecureSkipVerify switch
    mode one of DISABLE SIMPLE MUTUAL ISTIO_MUTUAL
    privateKey text
    sni text
    subjectAltNames list text
   tunnel
    protocol text
    targetHost! text
    targetPort! whole
 trafficPolicy
  connectionPool
   http
    h2UpgradePolicy one of DEFAULT DO_NOT_UPGRADE UPGRADE
    http1MaxPendingRequests whole
    http2KeepAlive
     interval text
     timeout text
    http2MaxRequests whole
    idleTimeout text
    maxConcurrentStreams whole
    maxRequestsPerConnection whole
    maxRetries whole
    useClientProtocol switch
   tcp
    connectTimeout text
    idleTimeout text
    maxConnectionDuration text
    maxConnections whole
    tcpKeepalive
     interval text
     probes whole
     time text
  loadBalancer
   consistentHash
    httpCookie
     attributes list
      name! text
      value text
     name! text
     path text
     ttl text
    httpHeaderName text
    httpQueryParameterName text
    maglev
     tableSize whole
    minimumRingSize whole
    ringHash
     minimumRingSize whole
    useSourceIp switch
   localityLbSetting
    distribute list
     from text
     to
      * whole
    enabled switch
    failover list
     from text
     to text
    failoverPriority list text
   simple one of UNSPECIFIED LEAST_CONN RANDOM PASSTHROUGH ROUND_ROBIN LEAST_REQUEST
   warmup
    aggression number
    duration! text
    minimumPercent number
   warmupDurationSecs text
   zoneAwareLbSetting
    enabled switch
    failover list
     from text
     to text
    failoverPriority list text
    minClusterSize whole
  outlierDetection
   baseEjectionTime text
   consecutive5xxErrors whole
   consecutiveErrors whole
   consecutiveGatewayErrors whole
   consecutiveLocalOriginFailures whole
   interval text
   maxEjectionPercent whole
   minHealthPercent whole
   outlierDetectionHttpErrorCodes list whole
   splitExternalLocalOriginErrors switch
  portLevelSettings list
   connectionPool
    http
     h2UpgradePolicy one of DEFAULT DO_NOT_UPGRADE UPGRADE
     http1MaxPendingRequests whole
     http2KeepAlive
      interval text
      timeout text
     http2MaxRequests whole
     idleTimeout text
     maxConcurrentStreams whole
     maxRequestsPerConnection whole
     maxRetries whole
     useClientProtocol switch
    tcp
     connectTimeout text
     idleTimeout text
     maxConnectionDuration text
     maxConnections whole
     tcpKeepalive
      interval text
      probes whole
      time text
   loadBalancer
    consistentHash
     httpCookie
      attributes list
       name! text
       value text
      name! text
      path text
      ttl text
     httpHeaderName text
     httpQueryParameterName text
     maglev
      tableSize whole
     minimumRingSize whole
     ringHash
      minimumRingSize whole
     useSourceIp switch
    localityLbSetting
     distribute list
      from text
      to
       * whole
     enabled switch
     failover list
      from text
      to text
     failoverPriority list text
    simple one of UNSPECIFIED LEAST_CONN RANDOM PASSTHROUGH ROUND_ROBIN LEAST_REQUEST
    warmup
     aggression number
     duration! text
     minimumPercent number
    warmupDurationSecs text
    zoneAwareLbSetting
     enabled switch
     failover list
      from text
      to text
     failoverPriority list text
     minClusterSize whole
   outlierDetection
    baseEjectionTime text
    consecutive5xxErrors whole
    consecutiveErrors whole
    consecutiveGatewayErrors whole
    consecutiveLocalOriginFailures whole
    interval text
    maxEjectionPercent whole
    minHealthPercent whole
    outlierDetectionHttpErrorCodes list whole
    splitExternalLocalOriginErrors switch
   port
    number whole
   tls
    caCertificates text
    caCrl text
    clientCertificate text
    credentialName text
    insecureSkipVerify switch
    mode one of DISABLE SIMPLE MUTUAL ISTIO_MUTUAL
    privateKey text
    sni text
    subjectAltNames list text
  proxyProtocol
   version one of V1 V2
  retryBudget
   budgetInterval text
   minRetryConcurrency whole
   percent number
  tls
   caCertificates text
   caCrl text
   clientCertificate text
   credentialName text
   insecureSkipVerify switch
   mode one of DISABLE SIMPLE MUTUAL ISTIO_MUTUAL
   privateKey text
   sni text
   subjectAltNames list text
  tunnel
   protocol text
   targetHost! text
   targetPort! whole
 workloadSelector
  matchLabels
   * text

networking.istio.io EnvoyFilter v1alpha3
 configPatches list
  applyTo one of INVALID LISTENER FILTER_CHAIN NETWORK_FILTER HTTP_FILTER ROUTE_CONFIGURATION VIRTUAL_HOST HTTP_ROUTE CLUSTER EXTENSION_CONFIG BOOTSTRAP LISTENER_FILTER
  match
   cluster
    name text
    portNumber whole
    service text
    subset text
   context one of ANY SIDECAR_INBOUND SIDECAR_OUTBOUND GATEWAY WAYPOINT
   listener
    filterChain
     applicationProtocols text
     destinationPort whole
     filter
      name text
      subFilter
       name text
     name text
     sni text
     transportProtocol text
    listenerFilter text
    name text
    portName text
    portNumber whole
   proxy
    metadata
     * text
    proxyVersion text
   routeConfiguration
    gateway text
    name text
    portName text
    portNumber whole
    vhost
     domainName text
     name text
     route
      action one of ANY ROUTE REDIRECT DIRECT_RESPONSE
      name text
   waypoint
    filter
     name text
     subFilter
      name text
    portNumber whole
    route
     name text
  patch
   filterClass one of UNSPECIFIED AUTHN AUTHZ STATS
   operation one of INVALID MERGE ADD REMOVE INSERT_BEFORE INSERT_AFTER INSERT_FIRST REPLACE MERGE_AND_REPLACE_LIST
   value any
 priority whole
 targetRefs list
  group text
  kind! text
  name! text
  namespace text
 workloadSelector
  labels
   * text

networking.istio.io Gateway v1 v1alpha3 v1beta1
 selector
  * text
 servers list
  bind text
  defaultEndpoint text
  hosts! list text
  name text
  port!
   name! text
   number! whole
   protocol! text
   targetPort whole
  tls
   caCertCredentialName text
   caCertificates text
   caCrl text
   cipherSuites list text
   credentialName text
   credentialNames list text
   httpsRedirect switch
   insecureSkipVerify switch
   maxProtocolVersion one of TLS_AUTO TLSV1_0 TLSV1_1 TLSV1_2 TLSV1_3
   minProtocolVersion one of TLS_AUTO TLSV1_0 TLSV1_1 TLSV1_2 TLSV1_3
   mode one of PASSTHROUGH SIMPLE MUTUAL AUTO_PASSTHROUGH ISTIO_MUTUAL OPTIONAL_MUTUAL
   privateKey text
   serverCertificate text
   subjectAltNames list text
   tlsCertificates list
    caCertificates text
    privateKey text
    serverCertificate text
   verifyCertificateHash list text
   verifyCertificateSpki list text

networking.istio.io ProxyConfig v1beta1
 concurrency whole
 environmentVariables
  * text
 image
  imageType text
 selector
  matchLabels
   * text

networking.istio.io ServiceEntry v1 v1alpha3 v1beta1
 addresses list text
 endpoints list
  address text
  labels
   * text
  locality text
  network text
  ports
   * whole
  serviceAccount text
  weight whole
 exportTo list text
 hosts! list text
 location one of MESH_EXTERNAL MESH_INTERNAL
 ports list
  name! text
  number! whole
  protocol text
  targetPort whole
 resolution one of NONE STATIC DNS DNS_ROUND_ROBIN DYNAMIC_DNS
 subjectAltNames list text
 workloadSelector
  labels
   * text

networking.istio.io Sidecar v1 v1alpha3 v1beta1
 egress list
  bind text
  captureMode one of DEFAULT IPTABLES NONE
  hosts! list text
  port
   name text
   number whole
   protocol text
   targetPort whole
 inboundConnectionPool
  http
   h2UpgradePolicy one of DEFAULT DO_NOT_UPGRADE UPGRADE
   http1MaxPendingRequests whole
   http2KeepAlive
    interval text
    timeout text
   http2MaxRequests whole
   idleTimeout text
   maxConcurrentStreams whole
   maxRequestsPerConnection whole
   maxRetries whole
   useClientProtocol switch
  tcp
   connectTimeout text
   idleTimeout text
   maxConnectionDuration text
   maxConnections whole
   tcpKeepalive
    interval text
    probes whole
    time text
 ingress list
  bind text
  captureMode one of DEFAULT IPTABLES NONE
  connectionPool
   http
    h2UpgradePolicy one of DEFAULT DO_NOT_UPGRADE UPGRADE
    http1MaxPendingRequests whole
    http2KeepAlive
     interval text
     timeout text
    http2MaxRequests whole
    idleTimeout text
    maxConcurrentStreams whole
    maxRequestsPerConnection whole
    maxRetries whole
    useClientProtocol switch
   tcp
    connectTimeout text
    idleTimeout text
    maxConnectionDuration text
    maxConnections whole
    tcpKeepalive
     interval text
     probes whole
     time text
  defaultEndpoint text
  port!
   name text
   number whole
   protocol text
   targetPort whole
  tls
   caCertCredentialName text
   caCertificates text
   caCrl text
   cipherSuites list text
   credentialName text
   credentialNames list text
   httpsRedirect switch
   insecureSkipVerify switch
   maxProtocolVersion one of TLS_AUTO TLSV1_0 TLSV1_1 TLSV1_2 TLSV1_3
   minProtocolVersion one of TLS_AUTO TLSV1_0 TLSV1_1 TLSV1_2 TLSV1_3
   mode one of PASSTHROUGH SIMPLE MUTUAL AUTO_PASSTHROUGH ISTIO_MUTUAL OPTIONAL_MUTUAL
   privateKey text
   serverCertificate text
   subjectAltNames list text
   tlsCertificates list
    caCertificates text
    privateKey text
    serverCertificate text
   verifyCertificateHash list text
   verifyCertificateSpki list text
 outboundTrafficPolicy
  egressProxy
   host! text
   port
    number whole
   subset text
  mode one of REGISTRY_ONLY ALLOW_ANY
 workloadSelector
  labels
   * text

networking.istio.io VirtualService v1 v1alpha3 v1beta1
 exportTo list text
 gateways list text
 hosts list text
 http list
  corsPolicy
   allowCredentials switch
   allowHeaders list text
   allowMethods list text
   allowOrigin list text
   allowOrigins list
    exact text
    prefix text
    regex text
   exposeHeaders list text
   maxAge text
   unmatchedPreflights one of UNSPECIFIED FORWARD IGNORE
  delegate
   name text
   namespace text
  directResponse
   body
    bytes text
    string text
   status! whole
  fault
   abort
    grpcStatus text
    http2Error text
    httpStatus whole
    percentage
     value number
   delay
    exponentialDelay text
    fixedDelay text
    percent whole
    percentage
     value number
  headers
   request
    add
     * text
    remove list text
    set
     * text
   response
    add
     * text
    remove list text
    set
     * text
  match list
   authority
    exact text
    prefix text
    regex text
   gateways list text
   headers
    *
     exact text
     prefix text
     regex text
   ignoreUriCase switch
   method
    exact text
    prefix text
    regex text
   name text
   port whole
   queryParams
    *
     exact text
     prefix text
     regex text
   scheme
    exact text
    prefix text
    regex text
   sourceLabels
    * text
   sourceNamespace text
   statPrefix text
   uri
    exact text
    prefix text
    regex text
   withoutHeaders
    *
     exact text
     prefix text
     regex text
  mirror
   host! text
   port
    number whole
   subset text
  mirrorPercent whole
  mirrorPercentage
   value number
  mirror_percent whole
  mirrors list
   destination!
    host! text
    port
     number whole
    subset text
   percentage
    value number
  name text
  redirect
   authority text
   derivePort one of FROM_PROTOCOL_DEFAULT FROM_REQUEST_PORT
   port whole
   prefixRewrite text
   redirectCode whole
   scheme text
   uri text
  retries
   attempts whole
   backoff text
   perTryTimeout text
   retryIgnorePreviousHosts switch
   retryOn text
   retryRemoteLocalities switch
  rewrite
   authority text
   uri text
   uriRegexRewrite
    match text
    rewrite text
  route list
   destination!
    host! text
    port
     number whole
    subset text
   headers
    request
     add
      * text
     remove list text
     set
      * text
    response
     add
      * text
     remove list text
     set
      * text
   weight whole
  timeout text
 tcp list
  match list
   destinationSubnets list text
   gateways list text
   port whole
   sourceLabels
    * text
   sourceNamespace text
   sourceSubnet text
  route list
   destination!
    host! text
    port
     number whole
    subset text
   weight whole
 tls list
  match! list
   destinationSubnets list text
   gateways list text
   port whole
   sniHosts! list text
   sourceLabels
    * text
   sourceNamespace text
  route list
   destination!
    host! text
    port
     number whole
    subset text
   weight whole

networking.istio.io WorkloadEntry v1 v1alpha3 v1beta1
 address text
 labels
  * text
 locality text
 network text
 ports
  * whole
 serviceAccount text
 weight whole

networking.istio.io WorkloadGroup v1 v1alpha3 v1beta1
 metadata
  annotations
   * text
  labels
   * text
 probe
  exec
   command! list text
  failureThreshold whole
  grpc
   port whole
   service text
  httpGet
   host text
   httpHeaders list
    name text
    value text
   path text
   port! whole
   scheme text
  initialDelaySeconds whole
  periodSeconds whole
  successThreshold whole
  tcpSocket
   host text
   port! whole
  timeoutSeconds whole
 template!
  address text
  labels
   * text
  locality text
  network text
  ports
   * whole
  serviceAccount text
  weight whole

security.istio.io AuthorizationPolicy v1 v1beta1
 action one of ALLOW DENY AUDIT CUSTOM
 provider
  name text
 rules list
  from list
   source
    ipBlocks list text
    namespaces list text
    notIpBlocks list text
    notNamespaces list text
    notPrincipals list text
    notRemoteIpBlocks list text
    notRequestPrincipals list text
    notServiceAccounts list text
    notTrustDomains list text
    principals list text
    remoteIpBlocks list text
    requestPrincipals list text
    serviceAccounts list text
    trustDomains list text
  to list
   operation
    hosts list text
    methods list text
    notHosts list text
    notMethods list text
    notPaths list text
    notPorts list text
    paths list text
    ports list text
  when list
   key! text
   notValues list text
   values list text
 selector
  matchLabels
   * text
 targetRef
  group text
  kind! text
  name! text
  namespace text
 targetRefs list
  group text
  kind! text
  name! text
  namespace text

security.istio.io PeerAuthentication v1 v1beta1
 mtls
  mode one of UNSET DISABLE PERMISSIVE STRICT
 portLevelMtls
  *
   mode one of UNSET DISABLE PERMISSIVE STRICT
 selector
  matchLabels
   * text

security.istio.io RequestAuthentication v1 v1beta1
 jwtRules list
  audiences list text
  forwardOriginalToken switch
  fromCookies list text
  fromHeaders list
   name! text
   prefix text
  fromParams list text
  issuer text
  jwks text
  jwksUri text
  jwks_uri text
  outputClaimToHeaders list
   claim! text
   header! text
  outputPayloadToHeader text
  spaceDelimitedClaims list text
  timeout text
 selector
  matchLabels
   * text
 targetRef
  group text
  kind! text
  name! text
  namespace text
 targetRefs list
  group text
  kind! text
  name! text
  namespace text

telemetry.istio.io Telemetry v1 v1alpha1
 accessLogging list
  disabled switch
  filter
   expression text
  match
   mode one of CLIENT_AND_SERVER CLIENT SERVER
  providers list
   name! text
 metrics list
  overrides list
   disabled switch
   match
    customMetric text
    metric one of ALL_METRICS REQUEST_COUNT REQUEST_DURATION REQUEST_SIZE RESPONSE_SIZE TCP_OPENED_CONNECTIONS TCP_CLOSED_CONNECTIONS TCP_SENT_BYTES TCP_RECEIVED_BYTES GRPC_REQUEST_MESSAGES GRPC_RESPONSE_MESSAGES
    mode one of CLIENT_AND_SERVER CLIENT SERVER
   tagOverrides
    *
     operation one of UPSERT REMOVE
     value text
  providers list
   name! text
  reportingInterval text
 selector
  matchLabels
   * text
 targetRef
  group text
  kind! text
  name! text
  namespace text
 targetRefs list
  group text
  kind! text
  name! text
  namespace text
 tracing list
  customTags
   *
    environment
     defaultValue text
     name! text
    formatter
     value! text
    header
     defaultValue text
     name! text
    literal
     value! text
  disableContextPropagation switch
  disableSpanReporting switch
  enableIstioTags switch
  match
   mode one of CLIENT_AND_SERVER CLIENT SERVER
  providers list
   name! text
  randomSamplingPercentage number
  useRequestIdForTraceSampling switch
"""  # noqa: E501
