module meshops.mesh/testbed/crds

go 1.24

require (
	github.com/cert-manager/cert-manager v1.19.1
	istio.io/api v1.31.1
	sigs.k8s.io/gateway-api v1.4.0
)
