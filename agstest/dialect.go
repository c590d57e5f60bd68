package agstest

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Dialect is the form of the requests that obtain tokens. It is written from what
// public clients send: IAS, the platform's sister service, has no public
// documentation.
type Dialect string

// The dialects of a [Server]. What a dialect does not have is answered with a 404.
const (
	// AGS is the documented form. A refresh may also be sent to the path of IAS.
	AGS Dialect = ""
	// IASv3 refreshes with POST /ias/v3/token/actions/refresh and a Bearer token. The
	// server refuses a refresh with a body, a query, a Content-Type or an
	// x-auth-service-id. It takes all other requests in the form of AGS.
	IASv3 Dialect = "ias-v3"
	// IASv2 signs on and refreshes with POST /ias/v2/token?grant_type=…: "password"
	// with username and password, or "refresh_token" with refresh_token. The server
	// refuses a request without the header tenantid, with a parameter that is missing
	// or repeated, or whose body is not a JSON object. It has no other operations than
	// these two and the API.
	//
	// The body describes the device: the same body from the same account is the same
	// device. If several accounts match, the first one is signed on.
	IASv2 Dialect = "ias-v2"
)

const (
	iasV3RefreshPath = "/ias/v3/token/actions/refresh"
	iasV2GrantPath   = "/ias/v2/token"

	grantTypeParameter = "grant_type"
	refreshGrant       = "refresh_token" // also the name of its parameter
	passwordGrant      = "password"      // also the name of one of its parameters
)

// isKnown reports whether d is one of the dialects.
func (d Dialect) isKnown() bool { return d == AGS || d == IASv3 || d == IASv2 }

// opOf returns the operation of a URL. It ignores the method: the gateway answers 405
// to a request with the wrong one.
func (d Dialect) opOf(u *url.URL) Op {
	if strings.HasPrefix(u.Path, "/api/") {
		return API
	}
	switch d {
	case IASv3:
		if u.Path == iasV3RefreshPath {
			return Refresh
		}
		if op := opOfPath(u.Path); op != Refresh {
			return op
		}
	case IASv2:
		if u.Path == iasV2GrantPath {
			return grantOp(u.Query().Get(grantTypeParameter))
		}
	case AGS:
		if u.Path == iasV3RefreshPath {
			return Refresh
		}
		return opOfPath(u.Path)
	}
	return Other
}

// grantOp returns the operation of a grant. One that is not known is refused as a
// sign-on.
func grantOp(grantType string) Op {
	if grantType == refreshGrant {
		return Refresh
	}
	return SignOn
}

// iasV3Refresh handles the refresh of IASv3.
func (s *Server) iasV3Refresh(x *exchange) response {
	for _, name := range []string{"Content-Type", "X-Auth-Service-Id"} {
		if x.header.Values(name) != nil {
			return badRequest("header " + name + " not allowed").response()
		}
	}
	if x.query != "" || len(x.body) > 0 {
		return badRequest("neither a query nor a body is allowed").response()
	}
	if refused := s.checkTenant(x.header, "nv-tenant-id"); refused != nil {
		return refused.response()
	}
	token, bearer := credential(x.header)
	if !bearer || token == "" {
		return unauthorized("header Authorization missing or malformed").response()
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refreshLocked(now, token)
}

// iasV2Grant handles the requests of IASv2.
func (s *Server) iasV2Grant(x *exchange) response {
	rs := s.iasV2Answer(x)
	if status := s.cfg.Quirks.RefusalStatus; status != 0 && rs.refusal {
		rs.status = status
	}
	return rs
}

func (s *Server) iasV2Answer(x *exchange) response {
	g, refused := decodeGrant(x)
	if refused == nil {
		refused = s.checkTenant(x.header, "tenantid")
	}
	if refused != nil {
		return refused.response()
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.op == Refresh {
		return s.refreshLocked(now, g.refreshToken)
	}
	return s.passwordGrantLocked(now, g, x.header.Get("tenantid"))
}

func (s *Server) passwordGrantLocked(now time.Time, g grant, tenant string) response {
	if s.state.geoBlocked {
		return geoBlocked().response()
	}
	accounts := s.state.accountsOf(g.username, g.password)
	if len(accounts) == 0 {
		return unauthorized("unauthorized").response()
	}
	return s.signedOn(s.state.signOn(now, accounts[0], deviceClaim{isNew: true, description: g.device}, tenant))
}

// grant is a decoded request of IASv2.
type grant struct {
	username, password string
	refreshToken       string
	device             string
}

func decodeGrant(x *exchange) (grant, *refusal) {
	mediaType, _, err := mime.ParseMediaType(x.header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return grant{}, badRequest("Content-Type is not application/json")
	}
	var device bytes.Buffer
	if json.Compact(&device, x.body) != nil || !bytes.HasPrefix(device.Bytes(), []byte("{")) {
		return grant{}, badRequest("body is not a JSON object")
	}
	query, err := url.ParseQuery(x.query)
	if err != nil {
		return grant{}, badRequest("query malformed")
	}
	wanted, g := map[string]*string{}, grant{device: device.String()}
	var grantType string
	switch query.Get(grantTypeParameter) {
	case passwordGrant:
		wanted["username"], wanted[passwordGrant] = &g.username, &g.password
	case refreshGrant:
		wanted[refreshGrant] = &g.refreshToken
	default:
		return grant{}, badRequest("grant_type missing or unknown")
	}
	wanted[grantTypeParameter] = &grantType
	for name, value := range wanted {
		if values := query[name]; len(values) != 1 || values[0] == "" {
			return grant{}, badRequest("parameter " + name + " missing, empty or repeated")
		}
		*value = query.Get(name)
	}
	return g, nil
}

// checkTenant checks the header that names the tenant.
func (s *Server) checkTenant(h http.Header, name string) *refusal {
	if h.Get(name) == "" {
		return badRequest("header " + name + " missing")
	}
	if want := s.cfg.TenantID; want != "" && h.Get(name) != want {
		return notFound("no such tenant")
	}
	return nil
}
