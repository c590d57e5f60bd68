package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/agsauth/agsauth/ags"
)

// canDiscover returns a result if the gateway cannot be asked, and why.
func canDiscover(ctx context.Context, e *examination) (because Result, can bool) {
	switch {
	case e.Client == nil:
		return skipped("%v", errNoRoute), false
	case !e.isCertificateValid(ctx):
		return skipped("it is not asked, because its certificate is not valid"), false
	}
	if a := e.probe(); a.err != nil {
		return noAnswer(a), false
	}
	return Result{}, true
}

func checkGateway(ctx context.Context, e *examination) Result {
	if a := e.probe(); a.err != nil && a.connected && e.Client != nil && e.isCertificateValid(ctx) {
		return failure("the gateway accepts connections and does not answer", "try again later; if it lasts, tell the operator of the gateway")
	}
	if because, can := canDiscover(ctx, e); !can {
		return because
	}
	found, err := e.discover()
	return judgeDiscovery(found, err, e.Settings.Tenant)
}

// judgeDiscovery judges the gateway's answer to the question for its services.
func judgeDiscovery(found *ags.Discovery, err error, tenant string) Result {
	if err == nil {
		services := "sign-on services"
		if len(found.Services) == 1 {
			services = "sign-on service"
		}
		return ok("it answers, accepts the tenant %s, and has %d %s", tenant, len(found.Services), services)
	}
	var call *ags.Error
	if errors.Is(err, errors.ErrUnsupported) {
		return skipped("the dialect has no discovery")
	}
	if !errors.As(err, &call) {
		return failure("the gateway could not be asked for its services: "+err.Error(), "run agsauth discover for more")
	}
	text := "the gateway's discovery failed"
	if call.Status != 0 {
		text += " with status " + strconv.Itoa(call.Status)
	}
	text += " (correlation identifier " + call.CorrelationID + ")"
	return failure(text, discoveryHint(err, call))
}

func discoveryHint(err error, call *ags.Error) string {
	switch {
	case call.Malformed, errors.Is(err, ags.ErrProtocol):
		return "the answer is not a gateway's: check the URL of the gateway and its path, and whether a proxy or a sign-in page answers in its place"
	case call.Status == http.StatusNotFound:
		return "check the tenant, and the path in the URL of the gateway"
	case call.Status == http.StatusUnauthorized, call.Status == http.StatusForbidden, call.Status == http.StatusBadRequest:
		return "check the tenant, and whether the deployment needs header fields (the table headers of the profile)"
	}
	return "try again later; if it lasts, tell the operator of the gateway the correlation identifier"
}

func checkService(ctx context.Context, e *examination) Result {
	if because, can := canDiscover(ctx, e); !can {
		return because
	}
	found, err := e.discover()
	if err != nil {
		return skipped("the gateway does not tell its services")
	}
	var names []string
	for _, s := range found.Services {
		names = append(names, s.AuthServiceName)
	}
	return judgeService(e.Settings.Service, names)
}

// judgeService looks for the configured service among those of the gateway.
func judgeService(service string, names []string) Result {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = strconv.Quote(name)
	}
	list := strings.Join(quoted, ", ")
	switch {
	case slices.Contains(names, service):
		return ok("the gateway has the service %q", service)
	case len(names) == 0:
		return failure("the gateway has no sign-on service", "check the tenant and the gateway")
	case service == "":
		return warning("no service is set; the gateway has "+list, "set service to one of them; agsauth login asks for it")
	}
	return failure(fmt.Sprintf("the gateway does not have the service %q, but %s", service, list), "set service to one of them")
}
