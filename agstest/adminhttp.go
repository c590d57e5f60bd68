package agstest

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Admin returns a handler with which a test in any language, or a person with curl,
// controls the server. It is for a listener of its own: the gateway and its API do not
// have these paths, and its requests are not recorded.
//
//	GET    /health             {"status":"ok"}
//	GET    /config             the URL, the dialect and the three lifetimes
//	GET    /stats              the fields of Stats; and for each operation its requests,
//	                           inFlight and maxInFlight
//	POST   /reset              Server.Reset
//
//	GET    /requests           {"requests":[…],"event":n}, with n the latest event
//	         ?op=refresh         of this operation only; may be repeated
//	         ?since=3            of those whose number is greater than 3
//	         ?limit=100          the latest 100 alone
//	         ?wait=5s            if there are none yet, wait for the first one
//	GET    /events             server-sent events, as they happen; see below
//	         ?since=n            those after event n, 0 for all; by default only new ones
//
//	GET    /faults             {"queued":[…],"always":[…]}
//	POST   /faults             a fault, or an array of them: queued in that order, or,
//	                           with "always":true, set for all requests
//	DELETE /faults             Server.Clear
//	         ?op=refresh         of this operation only; may be repeated
//	GET    /rejections         {"all":false,"next":0}
//	PUT    /rejections         Server.RejectAll and Server.RejectNext
//	GET    /geoblock           {"on":false}
//	PUT    /geoblock           Server.GeoBlock
//
//	GET    /sessions           {"sessions":[…]}, the fields of Session, the oldest first
//	         ?limit=100          the latest 100 alone
//	POST   /sessions/revoke    Server.RevokeSessions of all devices; {"revoked":n}
//	POST   /sessions/3/revoke  Server.RevokeSession; 404 if there is no such session, and
//	                           409 if it has ended
//	GET    /accounts           {"accounts":[…]}: id, username, state
//	POST   /accounts/1663/A    A is suspend, cancel or restore
//	GET    /devices            {"devices":[…]}: clientId, accountId, state
//	POST   /devices/PUB_1/A    A is disable, enable or delete; 409 if it is deleted
//	POST   /keys/rotate        Server.RotateKeys
//
//	GET    /clock              {"now":"2022-06-10T15:04:53Z","skew":"10m0s"}
//	PUT    /clock              {"skew":"10m"}, Server.SetSkew, or {"advance":"10m"},
//	                           Server.Advance
//
// A fault is an object with the name of its operation as "op" and any of the fields of
// [Fault], in lower camel case: kind, delay, afterWork, status, code, body, header,
// retryAfter, retryAfterDate, location, pause, times. So
// {"op":"refresh","kind":"lost","afterWork":true} loses the answer of the next refresh.
// A name that has spaces, like "sign on", may have hyphens instead.
//
// A duration is a string as in Go, "1m30s", or a number of seconds. An instant is in
// RFC 3339, in UTC, on the server's clock. In a header, a value may be a string or an
// array of strings.
//
// The events are "request", with the request as data, when it is received, when its fault
// is chosen and when it is answered; "changed", with {"act":"POST /faults"}, after an act
// by this handler; and "reset", after which nothing that was read before it holds. The
// id of an event is its number. A client that reconnects with Last-Event-ID gets what it
// has missed, or a reset if that is forgotten or the server is another one.
//
// A successful request has status 200 and an answer in JSON. All others have an object
// with one line as "error": 400 for a field, a parameter or a value that makes no sense,
// 403 for a foreign Host or Origin, 404 for anything that does not exist.
//
// No answer has a token, a password or the body of a request, and of a header only the
// values that are known to be harmless. As web pages can send requests to loopback
// addresses, the handler refuses those whose Host is neither a loopback address nor
// localhost nor one of hosts, those with an Origin other than their own Host, and those
// that a browser marks as coming from another site. It has no other protection.
func (s *Server) Admin(hosts ...string) http.Handler {
	a := &admin{s}
	mux := http.NewServeMux()
	for _, r := range slices.Concat(a.recordRoutes(), a.faultRoutes(), a.stateRoutes()) {
		mux.HandleFunc(r.pattern, a.handle(r))
	}
	mux.HandleFunc("GET /events", a.events)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusNotFound, errorBody{"there is no " + strconv.Quote(r.Method+" "+r.URL.Path)})
	})
	return guard(hosts, mux)
}

// admin is the admin interface of a server.
type admin struct{ s *Server }

// route is a path of the admin interface. Its answer is JSON.
type route struct {
	pattern    string
	parameters []string // that the query may have
	handle     func(r *http.Request) (any, error)
}

// adminError is an error whose status is not 400.
type adminError struct {
	status int
	text   string
}

// Error returns the text.
func (e *adminError) Error() string { return e.text }

type errorBody struct {
	Error string `json:"error"`
}

func (a *admin) recordRoutes() []route {
	return []route{
		{"GET /health", nil, func(*http.Request) (any, error) { return map[string]string{"status": "ok"}, nil }},
		{"GET /config", nil, a.config},
		{"GET /stats", nil, a.stats},
		{"POST /reset", nil, a.reset},
		{"GET /requests", []string{"op", "since", "limit", "wait"}, a.requests},
	}
}

func (a *admin) config(*http.Request) (any, error) {
	dialect := a.s.cfg.Dialect
	if dialect == AGS {
		dialect = "ags"
	}
	return map[string]any{
		"url": a.s.URL, "dialect": dialect, "accessLifetime": a.s.cfg.AccessLifetime.String(),
		"refreshLifetime": a.s.cfg.RefreshLifetime.String(), "fixedLifetime": a.s.cfg.FixedLifetime.String(),
		"reusableRefreshTokens": a.s.cfg.ReusableRefreshTokens,
	}, nil
}

// opStats are the counts of one operation.
type opStats struct {
	Requests    int `json:"requests"`
	InFlight    int `json:"inFlight"`
	MaxInFlight int `json:"maxInFlight"`
}

func (a *admin) stats(*http.Request) (any, error) {
	st, ops := a.s.Stats(), map[Op]opStats{}
	for _, op := range allOps() {
		o := a.s.requests.snapshot(op)
		ops[op] = opStats{o.count, o.inFlight, o.maxInFlight}
	}
	return map[string]any{
		"sessions": st.Sessions, "liveSessions": st.LiveSessions, "devices": st.Devices,
		"refreshes": st.Refreshes, "reuses": st.Reuses, "operations": ops,
	}, nil
}

func (a *admin) reset(r *http.Request) (any, error) {
	if err := noBody(r); err != nil {
		return nil, err
	}
	a.s.Reset()
	return struct{}{}, nil
}

// requestsBody is the answer of GET /requests.
type requestsBody struct {
	Requests []requestJSON `json:"requests"`
	Event    int64         `json:"event"`
}

func (a *admin) requests(r *http.Request) (any, error) {
	ops, err := opsOf(r)
	if err != nil {
		return nil, err
	}
	since, err := countOf(r, "since")
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(r)
	if err != nil {
		return nil, err
	}
	wait, err := parseSpan("wait", r.URL.Query().Get("wait"))
	if err != nil {
		return nil, err
	}
	// Not the server's clock: the client waits in real time.
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		body, changed := a.s.requests.after(ops, since)
		body.Requests = latest(body.Requests, limit)
		if len(body.Requests) > 0 {
			return body, nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return body, nil
		case <-r.Context().Done():
			return body, nil
		case <-a.s.done:
			return body, nil
		}
	}
}

// after returns the requests whose number is greater than since, and a channel that is
// closed when there may be others.
func (l *requestLog) after(ops []Op, since int) (requestsBody, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	body := requestsBody{Requests: []requestJSON{}, Event: l.journal.latest}
	for _, rq := range l.requestsLocked(ops) {
		if rq.Number > since {
			body.Requests = append(body.Requests, newRequestJSON(rq))
		}
	}
	return body, l.changed
}
