package agstest

import (
	"encoding/json"
	"net/http"
)

// The platform's error codes that the server uses by itself.
const (
	codeAccountCancelled = 20001
	codeAccountSuspended = 20002
	codeDeviceDeleted    = 20003
	codeDeviceDisabled   = 20004
	codeDeviceLimit      = 20007
	codeGeoBlocked       = 20019
	codeTokenInvalid     = 20020
)

// response is an HTTP response before a fault changes how it is sent.
type response struct {
	status int
	header http.Header
	body   []byte

	refusal bool // it is that of a *refusal
}

func newResponse(status int, contentType string, body []byte) response {
	return response{status: status, header: http.Header{"Content-Type": {contentType}}, body: body}
}

func jsonResponse(status int, body any) response {
	return newResponse(status, "application/json", mustJSON(body))
}

// mustJSON marshals v, which must not fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("agstest: marshal JSON: " + err.Error())
	}
	return b
}

// refusal is the gateway's error response. A nil *refusal means success.
type refusal struct {
	status  int
	code    int // 0 for none
	message string
}

func badRequest(message string) *refusal {
	return &refusal{http.StatusBadRequest, 0, message}
}

func unauthorized(message string) *refusal {
	return &refusal{http.StatusUnauthorized, 0, message}
}

func forbidden(code int, message string) *refusal {
	return &refusal{http.StatusForbidden, code, message}
}

func notFound(message string) *refusal {
	return &refusal{http.StatusNotFound, 0, message}
}

func geoBlocked() *refusal {
	return forbidden(codeGeoBlocked, "geo-blocked location")
}

func (r *refusal) response() response {
	body := map[string]any{"message": r.message}
	if r.code != 0 {
		body["errorCode"] = r.code
	}
	rs := jsonResponse(r.status, body)
	rs.refusal = true
	return rs
}
