package agstest

import (
	"net/http"
	"strings"
)

// Op is one of the calls that a [Server] answers. Faults are scripted, and
// requests counted, by it.
type Op string

// The calls of the gateway, that of the protected API, and any other request.
const (
	Discovery              Op = "discovery"                  // GET /ags/servicediscovery
	SignOn                 Op = "sign on"                    // POST /ags/signOn
	SubsequentSignOn       Op = "subsequent sign on"         // POST /ags/subsequentSignOn
	SessionToken           Op = "session token"              // POST /ags/getSessionToken
	SignOnWithSessionToken Op = "sign on with session token" // POST /ags/signOnWithSessionToken
	Refresh                Op = "refresh"                    // POST /ags/refresh, or /ias/v3/token/actions/refresh
	SignOut                Op = "sign out"                   // POST /ags/signOut
	API                    Op = "api"                        // anything below /api/
	Other                  Op = "other"                      // what is none of the above, answered with a 404
)

// opOf returns which call a path is. The method is not looked at: a wrong one is
// a mistake in that call.
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

// method returns the method that a call of the gateway is made with.
func (op Op) method() string {
	if op == Discovery {
		return http.MethodGet
	}
	return http.MethodPost
}
