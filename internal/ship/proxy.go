package ship

import (
	"net/http"
	"net/netip"
	"net/url"
)

// metadataAddrs are the services that an instance, task or pod has at an IPv6
// address that is not link-local: the instance's metadata and EKS's credentials.
var metadataAddrs = []netip.Addr{netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd00:ec2::23")}

// environmentProxy is changed by tests: the standard library reads the environment once.
var environmentProxy = http.ProxyFromEnvironment

// proxyFor returns the proxy that the environment names for a request. What only
// this host can reach never goes through one, whatever NO_PROXY says: a proxy
// would answer with its own instance's metadata and credentials, or not at all.
func proxyFor(r *http.Request) (*url.URL, error) {
	if isLocalService(r.URL.Hostname()) {
		return nil, nil
	}
	return environmentProxy(r)
}

func isLocalService(host string) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	addr = addr.WithZone("").Unmap()
	return addr.IsLinkLocalUnicast() || addr == metadataAddrs[0] || addr == metadataAddrs[1]
}
