package agstest

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// gateway handles a gateway request.
func (s *Server) gateway(x *exchange) response {
	if x.method != x.op.method() {
		rs := jsonResponse(http.StatusMethodNotAllowed, map[string]string{"message": "method not allowed"})
		rs.header.Set("Allow", x.op.method())
		return rs
	}
	switch s.cfg.Dialect {
	case IASv3:
		if x.op == Refresh {
			return s.iasV3Refresh(x)
		}
	case IASv2:
		return s.iasV2Grant(x)
	case AGS:
	}
	if refused := s.checkHeaders(x); refused != nil {
		return refused.response()
	}
	if x.op == Discovery {
		return s.discovery()
	}
	optional := s.cfg.OptionalParameters && (x.op == Refresh || x.op == SignOut)
	b, refused := decodeBody(x, optional)
	if refused != nil {
		return refused.response()
	}
	return s.dispatch(x, b)
}

func (s *Server) discovery() response {
	ids := s.cfg.AuthServiceIDs
	if len(ids) == 0 {
		ids = []string{defaultServiceID}
	}
	type object = map[string]any
	services := make([]object, 0, len(ids))
	for _, id := range ids {
		services = append(services, object{
			"authServiceName":   id,
			"displayAttributes": object{"name": id, "logo": s.URL + "/auth.jpg"},
			"endpoints": []object{{
				"name": "SIGNON", "path": "/signOn",
				"parameterProperties": []object{
					{"name": "username", "mandatory": true, "isPassword": false},
					{"name": "password", "mandatory": true, "isPassword": true},
				},
			}},
		})
	}
	return jsonResponse(http.StatusOK, object{"availableServices": services})
}

// dispatch handles the operations that use the server's state.
func (s *Server) dispatch(x *exchange, b body) response {
	now, tenant := s.now(), x.header.Get("nv-tenant-id")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch x.op {
	case SignOn:
		return s.signOnLocked(now, b, tenant)
	case SubsequentSignOn:
		return s.subsequentSignOnLocked(now, x.header.Get("User-Token"), b, tenant)
	case SessionToken:
		return s.sessionTokenLocked(now, b)
	case SignOnWithSessionToken:
		return s.signOnWithSessionTokenLocked(now, b, tenant)
	case Refresh:
		return s.ownRefreshLocked(now, x.header)
	case SignOut:
		return s.signOutLocked(now, x.header)
	case Discovery, API, Other:
	}
	return notFound("no such path").response()
}

func (s *Server) signOnLocked(now time.Time, b body, tenant string) response {
	username, hasName := b.parameter("username")
	password, hasPassword := b.parameter("password")
	switch {
	case !hasName || !hasPassword:
		return badRequest("parameter username or password missing").response()
	case b.device.isZero():
		return badRequest("neither clientId nor deviceInformation").response()
	case s.state.geoBlocked:
		return geoBlocked().response()
	}
	accounts := s.state.accountsOf(username, password)
	switch len(accounts) {
	case 0:
		return unauthorized("wrong credentials").response()
	case 1:
		return s.signedOn(s.state.signOn(now, accounts[0], b.device, tenant))
	default:
		return s.accountChoiceLocked(now, b.device, accounts)
	}
}

// accountChoiceLocked answers a sign-on whose credentials match several accounts.
func (s *Server) accountChoiceLocked(now time.Time, c deviceClaim, accounts []*account) response {
	list := make([]map[string]any, 0, len(accounts))
	for _, a := range accounts {
		info := mustJSON(map[string]string{"accountId": a.ID, "username": a.Username})
		list = append(list, map[string]any{"accountInformation": string(info)})
	}
	choice := map[string]any{"accounts": list}
	if s.cfg.Quirks.UserTokenInAccounts {
		for i, a := range accounts {
			list[i]["userAccountToken"] = s.state.addPending(now, s.state.userTokens, c, a)
		}
	} else {
		choice["userAccountToken"] = s.state.addPending(now, s.state.userTokens, c, accounts...)
	}
	return jsonResponse(http.StatusMultipleChoices, choice)
}

func (s *Server) subsequentSignOnLocked(now time.Time, userToken string, b body, tenant string) response {
	switch {
	case userToken == "":
		return badRequest("header User-Token missing").response()
	case s.state.geoBlocked:
		return geoBlocked().response()
	}
	return s.signedOn(s.state.completePending(now, s.state.userTokens, userToken, b, tenant))
}

// sessionTokenLocked answers the operator's head-end, which is trusted: the password
// is optional, and is checked only if it is there.
func (s *Server) sessionTokenLocked(now time.Time, b body) response {
	username, ok := b.parameter("username")
	if !ok {
		return badRequest("parameter username missing").response()
	}
	password, hasPassword := b.parameter("password")
	accounts := s.state.accountsWhere(func(a Account) bool {
		return a.Username == username && (!hasPassword || a.Password == password)
	})
	if len(accounts) == 0 {
		return unauthorized("no such user").response()
	}
	token := s.state.addPending(now, s.state.sessionTokens, deviceClaim{}, accounts...)
	return jsonResponse(http.StatusOK, map[string]string{"sessionToken": token})
}

func (s *Server) signOnWithSessionTokenLocked(now time.Time, b body, tenant string) response {
	token, ok := b.parameter("sessionToken")
	switch {
	case !ok:
		return badRequest("parameter sessionToken missing").response()
	case b.device.isZero():
		return badRequest("neither clientId nor deviceInformation").response()
	case s.state.geoBlocked:
		return geoBlocked().response()
	}
	return s.signedOn(s.state.completePending(now, s.state.sessionTokens, token, b, tenant))
}

// ownRefreshLocked handles the refresh of AGS.
func (s *Server) ownRefreshLocked(now time.Time, h http.Header) response {
	token, bearer := credential(h)
	q := s.cfg.Quirks
	if token == "" || q.RequireBearer && !bearer || q.RequireBare && bearer {
		return unauthorized("header Authorization missing or malformed").response()
	}
	return s.refreshLocked(now, token)
}

func (s *Server) refreshLocked(now time.Time, token string) response {
	p, refused := s.state.refresh(now, token)
	if refused != nil {
		return refused.response()
	}
	q := s.cfg.Quirks
	return jsonResponse(q.RefreshStatus, s.tokenFields(p, slices.Concat(q.OmitFields, q.OmitOnRefresh)))
}

func (s *Server) signOutLocked(now time.Time, h http.Header) response {
	token, _ := credential(h)
	if refused := s.state.signOut(now, token); refused != nil {
		return refused.response()
	}
	return jsonResponse(http.StatusOK, map[string]any{})
}

// signedOn returns the response to any of the sign-ons.
func (s *Server) signedOn(p pair, refused *refusal) response {
	if refused != nil {
		return refused.response()
	}
	return jsonResponse(s.cfg.Quirks.SignOnStatus, s.tokenFields(p, s.cfg.Quirks.OmitFields))
}

// tokenFields returns the JSON fields of a pair, without those in omit.
func (s *Server) tokenFields(p pair, omit []string) map[string]any {
	fixed := p.fixedRefreshExpiresIn
	if s.cfg.Quirks.RepeatFixedLifetime {
		fixed = s.cfg.FixedLifetime
	}
	fields := map[string]any{
		"access_token":             p.access,
		"refresh_token":            p.refresh,
		"client_id":                p.clientID,
		"accountId":                p.accountID,
		"token_type":               s.cfg.Quirks.TokenType,
		"expires_in":               s.seconds(p.expiresIn),
		"refresh_expires_in":       s.seconds(p.refreshExpiresIn),
		"fixed_refresh_expires_in": s.seconds(fixed),
	}
	for _, name := range omit {
		delete(fields, name)
	}
	return fields
}

// seconds returns d as the JSON number or string of an answer.
func (s *Server) seconds(d time.Duration) any {
	n := int64(d / time.Second)
	if s.cfg.Quirks.StringLifetimes {
		return strconv.FormatInt(n, 10)
	}
	return n
}
