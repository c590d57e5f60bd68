package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// route is the way to the gateway.
type route struct {
	gateway *url.URL
	// proxy is the proxy in between, or nil.
	proxy *url.URL
}

// host and port are where to connect to: the gateway, or the proxy.
func (r route) host() string { return r.next().Hostname() }

func (r route) port() string {
	if port := r.next().Port(); port != "" {
		return port
	}
	switch r.next().Scheme {
	case "http":
		return "80"
	case "socks5", "socks5h":
		return "1080"
	}
	return "443"
}

func (r route) next() *url.URL {
	if r.proxy != nil {
		return r.proxy
	}
	return r.gateway
}

// what names the host that is connected to.
func (r route) what() string {
	if r.proxy != nil {
		return "the proxy " + r.proxy.Host
	}
	return "the gateway's host " + r.gateway.Hostname()
}

var errNoRoute = errors.New("there is no valid gateway in the settings")

// errProxy does not quote the URL of the proxy, which may have a password.
var errProxy = errors.New("the URL of the proxy is not valid")

// route returns the way to the gateway.
func (e *examination) route() (route, error) {
	if e.Settings == nil || e.Settings.Gateway == "" || e.Transport == nil {
		return route{}, errNoRoute
	}
	gateway, err := url.Parse(e.Settings.Gateway)
	if err != nil || gateway.Hostname() == "" || gateway.Scheme != "http" && gateway.Scheme != "https" {
		return route{}, errNoRoute
	}
	if e.Transport.Proxy == nil {
		return route{gateway: gateway}, nil
	}
	proxy, err := e.Transport.Proxy(&http.Request{URL: gateway, Header: http.Header{}})
	if err != nil {
		return route{}, errProxy
	}
	return route{gateway: gateway, proxy: proxy}, nil
}

func checkProxy(_ context.Context, e *examination) Result {
	r, err := e.route()
	variable := proxyVariable(e.LookupEnv, "https")
	if r.gateway != nil {
		variable = proxyVariable(e.LookupEnv, r.gateway.Scheme)
	}
	switch {
	case errors.Is(err, errProxy):
		return failure(err.Error(), "correct the environment variable "+variable)
	case err != nil:
		return skipped("%v", err)
	case r.proxy != nil && variable != "":
		return ok("%s sends requests to the gateway through the proxy %s", variable, r.proxy.Host)
	case r.proxy != nil:
		return ok("requests to the gateway go through the proxy %s", r.proxy.Host)
	case variable != "":
		return ok("%s is set, but does not apply to the gateway", variable)
	}
	return ok("none")
}

// proxyVariable returns the name of the environment variable that sets the proxy for
// URLs of a scheme, or "" if none does.
func proxyVariable(lookup func(string) (string, bool), scheme string) string {
	name := strings.ToUpper(scheme) + "_PROXY"
	for _, name := range []string{name, strings.ToLower(name)} {
		if value, _ := lookup(name); value != "" {
			return name
		}
	}
	return ""
}

func checkName(ctx context.Context, e *examination) Result {
	r, err := e.route()
	if err != nil {
		return skipped("%v", err)
	}
	if net.ParseIP(r.host()) != nil {
		return ok("%s is an address and needs no resolution", r.host())
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, r.host())
	return judgeName(r, addresses, err)
}

func judgeName(r route, addresses []string, err error) Result {
	var lookup *net.DNSError
	switch {
	case err == nil:
		return ok("%s has the addresses %s", r.host(), strings.Join(addresses, ", "))
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return failure(fmt.Sprintf("there is no address of %s", r.what()), "check the spelling of the name, and whether it needs a VPN")
	}
	return failure(fmt.Sprintf("the name of %s cannot be resolved: the name server does not answer", r.what()), "check the network and the name servers of this machine")
}

func checkConnection(ctx context.Context, e *examination) Result {
	r, err := e.route()
	if err != nil {
		return skipped("%v", err)
	}
	addresses := []string{r.host()}
	if net.ParseIP(r.host()) == nil {
		if addresses, err = net.DefaultResolver.LookupHost(ctx, r.host()); err != nil {
			return skipped("the name does not resolve")
		}
	}
	return judgeConnections(r, addresses, connectAll(ctx, addresses, r.port()))
}

// connectAll connects to each address, and returns the errors in the same order.
func connectAll(ctx context.Context, addresses []string, port string) []error {
	errs := make([]error, len(addresses))
	var group sync.WaitGroup
	for i, address := range addresses {
		group.Go(func() {
			var dialer net.Dialer
			conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(address, port))
			if err == nil {
				err = conn.Close()
			}
			errs[i] = err
		})
	}
	group.Wait()
	return errs
}

// judgeConnections judges the attempts to connect to the addresses of a host.
func judgeConnections(r route, addresses []string, errs []error) Result {
	var failed []string
	for i, err := range errs {
		if err != nil {
			failed = append(failed, fmt.Sprintf("%s: %s", net.JoinHostPort(addresses[i], r.port()), dialError(err)))
		}
	}
	hint := "check the network, the VPN and the firewall, and whether the host and the port are right"
	if r.proxy != nil {
		hint = "check the proxy in the environment variables HTTPS_PROXY and NO_PROXY"
	}
	switch len(failed) {
	case 0:
		return ok("%s accepts connections on port %s", r.what(), r.port())
	case len(errs):
		return failure(fmt.Sprintf("no connection to %s: %s", r.what(), strings.Join(failed, ", ")), hint)
	}
	return warning(fmt.Sprintf("not all addresses of %s accept connections: %s", r.what(), strings.Join(failed, ", ")), hint)
}

// dialError returns the reason of a failed connection alone.
func dialError(err error) string {
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}
