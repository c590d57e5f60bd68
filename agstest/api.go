package agstest

import (
	"net/http"
	"strconv"
)

// Echo is what the protected API answers in JSON to a request that it lets
// through: who it took the caller for, and what it was sent. It does not hold the
// token.
type Echo struct {
	// AccountID and ClientID are those that the access token was issued to.
	AccountID string `json:"accountId"`
	ClientID  string `json:"clientId"`
	// Session is which of the server's sessions the token is of, the first being
	// 1, and Generation which of the session's pairs, that of the sign-on being 1.
	Session    int `json:"session"`
	Generation int `json:"generation"`
	// Method, Path and Body are those of the request.
	Method string `json:"method"`
	Path   string `json:"path"`
	Body   []byte `json:"body"`
}

// api answers a request to the protected API.
func (s *Server) api(x *exchange) answer {
	now := s.now()
	token, bearer := credential(x.header)
	if !bearer {
		token = ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, result := s.books.pass(now, token)
	switch {
	case result != "":
		return s.rejection(x, result)
	case s.books.geoBlocked:
		return forbidden(codeGeoBlocked, "geo-blocked location").answer()
	}
	return jsonAnswer(http.StatusOK, Echo{
		AccountID:  i.session.account.ID,
		ClientID:   i.session.device.id,
		Session:    i.session.serial,
		Generation: i.generation,
		Method:     x.method,
		Path:       x.path,
		Body:       x.body,
	})
}

// rejection is how the front end answers a token that it does not take.
func (s *Server) rejection(x *exchange, result string) answer {
	status := s.cfg.Quirks.RejectionStatus
	if s.cfg.LegacyRejections {
		status = http.StatusOK
	}
	a := jsonAnswer(status, map[string]string{
		"resultCode":    s.cfg.Quirks.RejectionCode,
		"localeMessage": "none",
		"requestId":     "agstest-" + strconv.Itoa(x.serial),
		"result":        result,
	})
	if status == http.StatusUnauthorized {
		a.header.Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	return a
}
