package agstest

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// gateway answers a call of the gateway that is well formed so far.
func (s *Server) gateway(x *exchange) answer {
	if x.method != x.op.method() {
		a := jsonAnswer(http.StatusMethodNotAllowed, map[string]string{"message": "method not allowed"})
		a.header.Set("Allow", x.op.method())
		return a
	}
	if no := s.checkHeaders(x); no != nil {
		return no.answer()
	}
	if x.op == Discovery {
		return s.discovery()
	}
	optional := s.cfg.OptionalParameters && (x.op == Refresh || x.op == SignOut)
	b, no := decodeBody(x, optional)
	if no != nil {
		return no.answer()
	}
	return s.dispatch(x, b)
}

// dispatch answers a call by what the books say.
func (s *Server) dispatch(x *exchange, b body) answer {
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
		return s.refreshLocked(now, x.header)
	case SignOut:
		return s.signOutLocked(now, x.header)
	case Discovery, API, Other:
	}
	return notFound("no such path").answer()
}

func (s *Server) discovery() answer {
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
	return jsonAnswer(http.StatusOK, object{"availableServices": services})
}

func (s *Server) signOnLocked(now time.Time, b body, tenant string) answer {
	username, hasName := b.parameter("username")
	password, hasPassword := b.parameter("password")
	switch {
	case !hasName || !hasPassword:
		return malformed("parameter username or password missing").answer()
	case !b.claim.made():
		return malformed("neither clientId nor deviceInformation").answer()
	case s.books.geoBlocked:
		return forbidden(codeGeoBlocked, "geo-blocked location").answer()
	}
	accounts := s.books.matches(func(a Account) bool { return a.Username == username && a.Password == password })
	switch len(accounts) {
	case 0:
		return unauthorized("wrong credentials").answer()
	case 1:
		return s.signedOn(s.books.admit(now, accounts[0], b.claim, tenant))
	default:
		return s.choiceLocked(now, b.claim, accounts)
	}
}

// choiceLocked asks the user which of several accounts it is to be.
func (s *Server) choiceLocked(now time.Time, claim deviceClaim, accounts []*account) answer {
	list := make([]map[string]any, 0, len(accounts))
	for _, a := range accounts {
		info := mustJSON(map[string]string{"accountId": a.ID, "username": a.Username})
		list = append(list, map[string]any{"accountInformation": string(info)})
	}
	choice := map[string]any{"accounts": list}
	if s.cfg.Quirks.UserTokenInAccounts {
		for i, a := range accounts {
			list[i]["userAccountToken"] = s.books.punch(now, s.books.userTokens, claim, a)
		}
	} else {
		choice["userAccountToken"] = s.books.punch(now, s.books.userTokens, claim, accounts...)
	}
	return jsonAnswer(http.StatusMultipleChoices, choice)
}

func (s *Server) subsequentSignOnLocked(now time.Time, userToken string, b body, tenant string) answer {
	switch {
	case userToken == "":
		return malformed("header User-Token missing").answer()
	case s.books.geoBlocked:
		return forbidden(codeGeoBlocked, "geo-blocked location").answer()
	}
	accountID, _ := b.parameter("accountId")
	return s.signedOn(s.books.redeem(now, s.books.userTokens, userToken, accountID, b.claim, tenant))
}

// sessionTokenLocked is asked for by the operator's head-end, which is trusted to
// know the user: the password is looked at only if there is one.
func (s *Server) sessionTokenLocked(now time.Time, b body) answer {
	username, ok := b.parameter("username")
	if !ok {
		return malformed("parameter username missing").answer()
	}
	password, hasPassword := b.parameter("password")
	accounts := s.books.matches(func(a Account) bool {
		return a.Username == username && (!hasPassword || a.Password == password)
	})
	if len(accounts) == 0 {
		return unauthorized("no such user").answer()
	}
	token := s.books.punch(now, s.books.sessionTokens, deviceClaim{}, accounts...)
	return jsonAnswer(http.StatusOK, map[string]string{"sessionToken": token})
}

func (s *Server) signOnWithSessionTokenLocked(now time.Time, b body, tenant string) answer {
	token, ok := b.parameter("sessionToken")
	switch {
	case !ok:
		return malformed("parameter sessionToken missing").answer()
	case !b.claim.made():
		return malformed("neither clientId nor deviceInformation").answer()
	case s.books.geoBlocked:
		return forbidden(codeGeoBlocked, "geo-blocked location").answer()
	}
	accountID, _ := b.parameter("accountId")
	return s.signedOn(s.books.redeem(now, s.books.sessionTokens, token, accountID, b.claim, tenant))
}

func (s *Server) refreshLocked(now time.Time, h http.Header) answer {
	token, bearer := credential(h)
	q := s.cfg.Quirks
	if token == "" || q.RequireBearer && !bearer || q.RequireBare && bearer {
		return unauthorized("no refresh token in Authorization, or not as this deployment wants it").answer()
	}
	p, no := s.books.refresh(now, token)
	if no != nil {
		return no.answer()
	}
	return jsonAnswer(q.RefreshStatus, s.tokenFields(p, slices.Concat(q.OmitFields, q.OmitOnRefresh)))
}

func (s *Server) signOutLocked(now time.Time, h http.Header) answer {
	token, _ := credential(h)
	if no := s.books.signOut(now, token); no != nil {
		return no.answer()
	}
	return jsonAnswer(http.StatusOK, map[string]any{})
}

// signedOn is the answer to any of the sign-ons.
func (s *Server) signedOn(p pair, no *refusal) answer {
	if no != nil {
		return no.answer()
	}
	return jsonAnswer(s.cfg.Quirks.SignOnStatus, s.tokenFields(p, s.cfg.Quirks.OmitFields))
}

// tokenFields are the fields of an answer with tokens.
func (s *Server) tokenFields(p pair, omit []string) map[string]any {
	fixed := p.remainingFixed
	if s.cfg.Quirks.RepeatFixedLifetime {
		fixed = s.cfg.FixedLifetime
	}
	fields := map[string]any{
		"access_token":             p.access,
		"refresh_token":            p.refresh,
		"client_id":                p.clientID,
		"accountId":                p.accountID,
		"token_type":               s.cfg.Quirks.TokenType,
		"expires_in":               s.seconds(p.accessSpan),
		"refresh_expires_in":       s.seconds(p.refreshSpan),
		"fixed_refresh_expires_in": s.seconds(fixed),
	}
	for _, name := range omit {
		delete(fields, name)
	}
	return fields
}

func (s *Server) seconds(d time.Duration) any {
	n := int64(d / time.Second)
	if s.cfg.Quirks.StringLifetimes {
		return strconv.FormatInt(n, 10)
	}
	return n
}
