package agstest

import (
	"net/http"
)

// The platform's own codes, as far as the server answers them by itself.
const (
	codeAccountCancelled = 20001
	codeAccountSuspended = 20002
	codeDeviceDeleted    = 20003
	codeDeviceDisabled   = 20004
	codeDeviceLimit      = 20007
	codeGeoBlocked       = 20019
	codeTokenInvalid     = 20020
)

// refusal is a request that the gateway does not grant; nil is one that it does.
type refusal struct {
	status  int
	code    int // 0 for none
	message string
}

func forbidden(code int, message string) *refusal {
	return &refusal{http.StatusForbidden, code, message}
}

func unauthorized(message string) *refusal {
	return &refusal{http.StatusUnauthorized, 0, message}
}

func malformed(message string) *refusal {
	return &refusal{http.StatusBadRequest, 0, message}
}

func notFound(message string) *refusal {
	return &refusal{http.StatusNotFound, 0, message}
}

func (r *refusal) answer() answer {
	body := map[string]any{"message": r.message}
	if r.code != 0 {
		body["errorCode"] = r.code
	}
	return jsonAnswer(r.status, body)
}

// answer is what is sent back, before a fault has its way with it.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func jsonAnswer(status int, body any) answer {
	return typedAnswer(status, "application/json", mustJSON(body))
}

func typedAnswer(status int, contentType string, body []byte) answer {
	return answer{status, http.Header{"Content-Type": {contentType}}, body}
}
