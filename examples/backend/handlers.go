package main

import (
	"context"
	_ "embed" // the page
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net/http"
	"net/url"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/tokensource"
)

const (
	warnBefore = 5 * time.Minute // the end of a session, after which the user must sign on again
	maxForm    = 4 << 10
	maxAnswer  = 1 << 20
)

// backend is the state of the server. There is none for a request or a user but in the pool.
type backend struct {
	gateway   *ags.Client
	api       *url.URL
	sessions  *pool.Pool
	client    *http.Client
	secure    bool
	cookieKey []byte
}

func (b *backend) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.home)
	mux.HandleFunc("GET /profile", b.profile)
	mux.HandleFunc("GET /sign-on", func(w http.ResponseWriter, _ *http.Request) { show(w, http.StatusOK, page{}) })
	mux.HandleFunc("POST /sign-on", b.signOn)
	mux.HandleFunc("POST /sign-out", b.signOut)
	// It refuses forms that other sites send, those for sign-on included.
	return http.NewCrossOriginProtection().Handler(mux)
}

// home shows the page of a user, or leads to the form.
func (b *backend) home(w http.ResponseWriter, r *http.Request) {
	body, err := b.callAPI(r)
	switch {
	case errors.Is(err, tokensource.ErrLoginRequired):
		http.Redirect(w, r, "/sign-on", http.StatusSeeOther)
	case err != nil:
		fail(w, err)
	default:
		key, _ := b.key(r)
		st := b.sessions.Session(key).Status()
		p := page{Account: st.AccountID, Answer: string(body)}
		if left := time.Until(st.FixedExpiresAt); !st.FixedExpiresAt.IsZero() && left < warnBefore {
			p.EndsIn = left.Round(time.Second)
		}
		show(w, http.StatusOK, p)
	}
}

// profile is for scripts of the page, which get a 401 when the user must sign on.
func (b *backend) profile(w http.ResponseWriter, r *http.Request) {
	body, err := b.callAPI(r)
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err := json.NewEncoder(w).Encode(json.RawMessage(body)); err != nil {
		log.Println("backend: write the profile:", err)
	}
}

// callAPI calls the platform's API for the user of a request. The error Is
// tokensource.ErrLoginRequired if there is no session, or it has ended.
func (b *backend) callAPI(r *http.Request) ([]byte, error) {
	key, ok := b.key(r)
	if !ok {
		return nil, tokensource.ErrLoginRequired
	}
	req, err := http.NewRequestWithContext(pool.WithKey(r.Context(), key), http.MethodGet, b.api.JoinPath("profile").String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		// If the API rejects the token because the session was ended at the gateway, the
		// answer is that of the API, and the session says why there is no other token.
		if _, err := b.sessions.Session(key).TokenContext(r.Context()); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("the API answers with status %d", resp.StatusCode)
	}
	return io.ReadAll(http.MaxBytesReader(nil, resp.Body, maxAnswer))
}

// signOn signs a user on. The session gets a new cookie, whatever the request has, so that
// nobody can know it who has given the browser another one before.
func (b *backend) signOn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	request := ags.SignOnRequest{
		Parameters: []ags.Parameter{
			{Name: "username", Value: r.PostFormValue("username")},
			{Name: "password", Value: r.PostFormValue("password")},
		},
		// A browser that has signed on before is the same device.
		ClientID:          cookieValue(r, "device"),
		DeviceInformation: json.RawMessage(`{"deviceType":"browser"}`),
	}
	token, err := b.gateway.SignOn(r.Context(), request)
	if request.ClientID != "" && ags.DeviceDeleted(err) { // or another user's
		request.ClientID = ""
		token, err = b.gateway.SignOn(r.Context(), request)
	}
	if e, ok := errors.AsType[*ags.Error](err); ok && e.Status >= 400 && e.Status < 500 {
		show(w, http.StatusForbidden, page{Problem: "The sign-on was refused."})
		return
	}
	if err != nil {
		fail(w, err)
		return
	}
	cookie := b.newCookie()
	if err := b.sessions.Session(keyOf(cookie.Value)).SetToken(r.Context(), token); err != nil {
		fail(w, err)
		return
	}
	b.endSession(r)
	http.SetCookie(w, cookie)
	device := b.cookie("device", token.ClientID)
	device.MaxAge = int((365 * 24 * time.Hour).Seconds())
	http.SetCookie(w, device)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (b *backend) signOut(w http.ResponseWriter, r *http.Request) {
	b.endSession(r)
	http.SetCookie(w, b.cookie("session", ""))
	http.Redirect(w, r, "/sign-on", http.StatusSeeOther)
}

// endSession ends the session of a request, if it has one. The session has ended here even
// if there is an error. A user who goes away meanwhile is signed out all the same.
func (b *backend) endSession(r *http.Request) {
	key, ok := b.key(r)
	if !ok || b.sessions.Session(key).Status().Phase == tokensource.Ended {
		return
	}
	if err := b.sessions.Session(key).SignOut(context.WithoutCancel(r.Context())); err != nil {
		log.Println("backend: sign out:", err)
	}
}

// fail answers with an error. Its text is for the log: it has no secret, but is of no use to
// a user.
func fail(w http.ResponseWriter, err error) {
	unavailable, isUnavailable := errors.AsType[*tokensource.UnavailableError](err)
	switch {
	case errors.Is(err, tokensource.ErrLoginRequired):
		http.Error(w, "sign on first", http.StatusUnauthorized)
		return
	case isUnavailable:
		seconds := max(1, int(time.Until(unavailable.NextAt).Seconds()))
		w.Header().Set("Retry-After", fmt.Sprint(seconds))
		http.Error(w, "the platform is unavailable", http.StatusServiceUnavailable)
	default:
		http.Error(w, "the platform cannot be used", http.StatusBadGateway)
	}
	log.Println("backend:", err)
}

// page is what the page shows: a form if there is no account.
type page struct {
	Account, Answer, Problem string
	EndsIn                   time.Duration
}

func show(w http.ResponseWriter, status int, p page) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'")
	w.WriteHeader(status)
	if err := template.Must(template.New("page").Parse(pageText)).Execute(w, p); err != nil {
		log.Println("backend: write the page:", err)
	}
}

//go:embed page.html
var pageText string
