package agstest

import (
	"net/http"
	"strconv"
)

// Echo is the API's JSON response to a request with a valid access token. It does
// not contain the token.
type Echo struct {
	// AccountID and ClientID are the account and the device that the access token
	// was issued to.
	AccountID string `json:"accountId"`
	ClientID  string `json:"clientId"`
	// Session is the number of the token's session on this server, from 1.
	// Generation is the number of the token's pair in the session: 1 for the
	// sign-on, 2 for the first refresh.
	Session    int `json:"session"`
	Generation int `json:"generation"`
	// Method, Path and Body are those of the request.
	Method string `json:"method"`
	Path   string `json:"path"`
	Body   []byte `json:"body"`
}

// api handles a request to the protected API.
func (s *Server) api(x *exchange) response {
	now := s.now()
	token, bearer := credential(x.header)
	if !bearer {
		token = ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, result := s.state.authorize(now, token)
	switch {
	case result != "":
		return s.rejection(x, result)
	case s.state.geoBlocked:
		return geoBlocked().response()
	}
	return jsonResponse(http.StatusOK, Echo{
		AccountID:  i.session.account.ID,
		ClientID:   i.session.device.id,
		Session:    i.session.serial,
		Generation: i.generation,
		Method:     x.method,
		Path:       x.path,
		Body:       x.body,
	})
}

// rejection returns the API's response to an access token that it rejects.
func (s *Server) rejection(x *exchange, result string) response {
	status := s.cfg.Quirks.RejectionStatus
	if s.cfg.LegacyRejections {
		status = http.StatusOK
	}
	rs := jsonResponse(status, map[string]string{
		"resultCode":    s.cfg.Quirks.RejectionCode,
		"localeMessage": "none",
		"requestId":     "agstest-" + strconv.Itoa(x.serial),
		"result":        result,
	})
	if status == http.StatusUnauthorized {
		rs.header.Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	return rs
}
