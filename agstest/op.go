package agstest

import (
	"net/http"
	"strings"
)

// Op is an operation of the gateway, or the protected API. Faults are scripted
// and requests are counted for each Op separately.
type Op string

// The operations of a [Server].
const (
	Discovery              Op = "discovery"                  // GET /ags/servicediscovery
	SignOn                 Op = "sign on"                    // POST /ags/signOn
	SubsequentSignOn       Op = "subsequent sign on"         // POST /ags/subsequentSignOn
	SessionToken           Op = "session token"              // POST /ags/getSessionToken
	SignOnWithSessionToken Op = "sign on with session token" // POST /ags/signOnWithSessionToken
	Refresh                Op = "refresh"                    // POST /ags/refresh, or /ias/v3/token/actions/refresh
	SignOut                Op = "sign out"                   // POST /ags/signOut
	API                    Op = "api"                        // any path below /api/
	Other                  Op = "other"                      // any other path; the server answers 404
)

// opOf returns the operation of a path. It ignores the method: the gateway answers
// 405 to a request with the wrong one.
func opOf(path string) Op {
	switch path {
	case "/ags/servicediscovery":
		return Discovery
	case "/ags/signOn":
		return SignOn
	case "/ags/subsequentSignOn":
		return SubsequentSignOn
	case "/ags/getSessionToken":
		return SessionToken
	case "/ags/signOnWithSessionToken":
		return SignOnWithSessionToken
	case "/ags/refresh", "/ias/v3/token/actions/refresh":
		return Refresh
	case "/ags/signOut":
		return SignOut
	}
	if strings.HasPrefix(path, "/api/") {
		return API
	}
	return Other
}

// method returns the HTTP method of a gateway operation.
func (op Op) method() string {
	if op == Discovery {
		return http.MethodGet
	}
	return http.MethodPost
}
