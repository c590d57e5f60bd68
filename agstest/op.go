package agstest

import "net/http"

// Op is an operation of the gateway, or the protected API. Faults are scripted
// and requests are counted for each Op separately.
type Op string

// The operations of a [Server], and their paths in the dialect [AGS]. See [Dialect] for
// the others.
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

// opOfPath returns the operation of a path of the gateway, Other if it has none.
func opOfPath(path string) Op {
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
	case "/ags/refresh":
		return Refresh
	case "/ags/signOut":
		return SignOut
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
