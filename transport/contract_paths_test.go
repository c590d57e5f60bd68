package transport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"testing"

	"golang.org/x/oauth2"
)

func TestContract_SentOnce(t *testing.T) {
	runScenario(t, "plain", func(x *scenario) {
		fine := ok()
		x.respondWith(fine)
		x.wantResponse(fine, "old")
	})
	runScenario(t, "refused with another code", func(x *scenario) {
		refusal := forbidden(`{"errorCode":20019,"message":"geo-blocked location"}`)
		x.respondWith(refusal)
		x.wantResponse(refusal, "old")
	})
	runScenario(t, "with the caller's own Authorization", func(x *scenario) {
		rejection := unauthorized()
		x.respondWith(rejection)
		x.withHeader("Authorization", "Basic own")
		x.wantResponse(rejection, "Basic own")
	})
	runScenario(t, "to a host that is not allowed", func(x *scenario) {
		rejection := forbidden(codeBody)
		x.respondWith(rejection)
		x.tr.AllowHosts = []string{"other.example.com"}
		x.wantResponse(rejection, "")
	})
	runScenario(t, "an upgrade", func(x *scenario) {
		upgrade := &response{status: http.StatusSwitchingProtocols, text: "stream"}
		x.respondWith(upgrade)
		x.tr.IsRejection = func(*http.Response) bool { return true }
		x.wantResponse(upgrade, "old")
	})
	runScenario(t, "not a legacy rejection", func(x *scenario) {
		fine := &response{status: http.StatusOK, media: jsonMedia, text: `{"things":[]}`}
		x.respondWith(fine)
		x.tr.LegacyRejections = true
		x.wantResponse(fine, "old")
	})
}

func TestContract_NotSent(t *testing.T) {
	runScenario(t, "insecure", func(x *scenario) {
		x.URL.Scheme = "http"
		x.wantUnsent("transport: will not send a token to http://api.example.com: use https, or set AllowInsecure", 0)
	})
	runScenario(t, "no source", func(x *scenario) {
		x.tr.Source = nil
		x.wantUnsent("transport: Source is nil", 0)
	})
	runScenario(t, "no URL", func(x *scenario) {
		x.URL = nil
		x.wantUnsent("transport: the request has no URL", 0)
	})
	runScenario(t, "no token", func(x *scenario) {
		x.onAsk(1, func(context.Context) error { return errors.New("not now") })
		x.wantUnsent("transport: get token: not now", 1)
	})
	runScenario(t, "an empty token", func(x *scenario) {
		x.tr.Source = oauth2.StaticTokenSource(&oauth2.Token{})
		x.wantUnsent("transport: get token: the source returned an empty token", 0)
	})
}

func TestContract_Rejected(t *testing.T) {
	runScenario(t, "replayed", func(x *scenario) {
		fine := ok()
		x.respondWith(unauthorized(), fine)
		x.wantResponse(fine, "old", "new")
	})
	runScenario(t, "by the body of a 403", func(x *scenario) {
		fine := ok()
		x.respondWith(forbidden(codeBody), fine)
		x.wantResponse(fine, "old", "new")
	})
	runScenario(t, "by the body of a 200", func(x *scenario) {
		fine := ok()
		x.respondWith(&response{status: http.StatusOK, media: jsonMedia, text: codeBody}, fine)
		x.tr.LegacyRejections = true
		x.wantResponse(fine, "old", "new")
	})
	runScenario(t, "by IsRejection", func(x *scenario) {
		fine := ok()
		x.respondWith(&response{status: http.StatusTeapot, text: "tea"}, fine)
		x.tr.IsRejection = func(resp *http.Response) bool {
			_, _ = resp.Body.Read(make([]byte, 1))
			return true
		}
		x.wantResponse(fine, "old", "new")
	})
	runScenario(t, "twice", func(x *scenario) {
		second := unauthorized()
		x.respondWith(unauthorized(), second)
		x.source.tokens = []string{"old", "new", "newer"}
		x.wantResponse(second, "old", "new")
		x.source.assertCalls(x.t, 2, "old")
	})
	runScenario(t, "the base fails at the replay", func(x *scenario) {
		broken := errors.New("broken")
		x.respondWith(unauthorized(), &response{err: broken})
		x.wantError(broken, "old", "new")
	})
}

func TestContract_RejectedWithoutReplay(t *testing.T) {
	runScenario(t, "no other token", func(x *scenario) {
		first := forbidden(codeBody)
		x.respondWith(first)
		x.source.tokens = []string{"old"}
		x.wantResponse(first, "old")
		x.source.assertCalls(x.t, 2, "old")
	})
	runScenario(t, "the source fails", func(x *scenario) {
		first := forbidden(codeBody)
		x.respondWith(first)
		x.onAsk(2, func(context.Context) error { return errors.New("not now") })
		x.wantResponse(first, "old")
		x.source.assertCalls(x.t, 2, "old")
	})
	runScenarioWith(t, "a body without GetBody", post, func(x *scenario) {
		first := unauthorized()
		x.respondWith(first)
		x.GetBody = nil
		x.wantResponse(first, "old")
	})
	runScenarioWith(t, "GetBody fails", post, func(x *scenario) {
		first := unauthorized()
		x.respondWith(first)
		x.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("no body") }
		x.wantResponse(first, "old")
	})
	runScenarioWith(t, "GetBody returns nil", post, func(x *scenario) {
		first := unauthorized()
		x.respondWith(first)
		x.GetBody = func() (io.ReadCloser, error) { return nil, nil }
		x.wantResponse(first, "old")
	})
}

func TestContract_ContextEnds(t *testing.T) {
	runScenario(t, "before the call", func(x *scenario) {
		x.cancel(errCancelled)
		x.wantError(errCancelled)
		x.source.assertCalls(x.t, 0)
	})
	runScenario(t, "before the call, with a plain source", func(x *scenario) {
		x.cancel(errCancelled)
		x.tr.Source = plainSource(func() (*oauth2.Token, error) { panic("Token was called") })
		x.wantError(errCancelled)
	})
	runScenario(t, "during TokenContext", func(x *scenario) {
		x.onAsk(1, x.cancelAndWait)
		x.wantError(errCancelled)
	})
	runScenario(t, "during Token", func(x *scenario) {
		x.tr.Source = plainSource(func() (*oauth2.Token, error) {
			x.cancel(errCancelled)
			return &oauth2.Token{AccessToken: "late"}, nil
		})
		x.wantError(errCancelled)
	})
	runScenario(t, "during the base's RoundTrip", func(x *scenario) {
		x.respondWith(x.cancelledResponse())
		x.wantError(errCancelled, "old")
	})
	runScenario(t, "while the response is judged", func(x *scenario) {
		half := forbidden(`{"message":"`)
		half.wrap = x.cancelAtEnd
		x.respondWith(half)
		x.wantError(errCancelled, "old")
	})
	runScenario(t, "after the response is judged", func(x *scenario) {
		half := forbidden(codeBody[:40])
		half.wrap = x.cancelAtEnd
		x.respondWith(half)
		x.wantError(errCancelled, "old")
		x.source.assertCalls(x.t, 1, "old")
	})
}

func TestContract_ContextEndsAtTheReplay(t *testing.T) {
	runScenario(t, "during the second TokenContext", func(x *scenario) {
		x.respondWith(unauthorized())
		x.onAsk(2, x.cancelAndWait)
		x.wantError(errCancelled, "old")
	})
	runScenario(t, "after the second TokenContext", func(x *scenario) {
		x.respondWith(unauthorized())
		x.onAsk(2, func(context.Context) error { x.cancel(errCancelled); return nil })
		x.wantError(errCancelled, "old")
	})
	runScenario(t, "during the replay", func(x *scenario) {
		x.respondWith(unauthorized(), x.cancelledResponse())
		x.wantError(errCancelled, "old", "new")
	})
}

func TestContract_ErrorsAndPanics(t *testing.T) {
	broken := errors.New("broken")
	runScenario(t, "the base fails", func(x *scenario) {
		x.respondWith(&response{err: broken})
		x.wantError(broken, "old")
	})
	runScenario(t, "the base fails, without token", func(x *scenario) {
		x.respondWith(&response{err: broken})
		x.withHeader("Authorization", "Basic own")
		x.wantError(broken, "Basic own")
	})
	panics := func(*http.Request) { panic("base") }
	runScenario(t, "the base panics", func(x *scenario) {
		x.respondWith(&response{before: panics})
		x.wantPanic("base", "old")
	})
	runScenario(t, "the base panics at the replay", func(x *scenario) {
		x.respondWith(unauthorized(), &response{before: panics})
		x.wantPanic("base", "old", "new")
	})
	runScenario(t, "the source panics", func(x *scenario) {
		x.onAsk(1, func(context.Context) error { panic("source") })
		x.wantPanic("source")
	})
	runScenario(t, "the source panics at the second call", func(x *scenario) {
		x.respondWith(unauthorized())
		x.onAsk(2, func(context.Context) error { panic("source") })
		x.wantPanic("source", "old")
	})
	runScenario(t, "IsRejection panics", func(x *scenario) {
		x.respondWith(unauthorized())
		x.tr.IsRejection = func(resp *http.Response) bool {
			_, _ = resp.Body.Read(make([]byte, 3))
			panic("judge")
		}
		x.wantPanic("judge", "old")
	})
	runScenarioWith(t, "GetBody panics", post, func(x *scenario) {
		x.respondWith(unauthorized())
		x.GetBody = func() (io.ReadCloser, error) { panic("GetBody") }
		x.wantPanic("GetBody", "old")
	})
	runScenario(t, "the base calls Goexit", func(x *scenario) {
		x.respondWith(unauthorized(), &response{before: func(*http.Request) { runtime.Goexit() }})
		x.wantGoexit("old", "new")
	})
	runScenarioWith(t, "the base panics before it has closed the body", post, func(x *scenario) {
		x.tr.Base = baseFunc(func(*http.Request) (*http.Response, error) { panic("base") })
		x.wantPanic("base")
	})
}

func TestContract_Redirected(t *testing.T) {
	to := func(status int, url string) *response {
		return &response{status: status, header: http.Header{"Location": {url}}, text: "over there"}
	}
	for name, status := range map[string]int{"as a GET": http.StatusFound, "with the same method": http.StatusTemporaryRedirect} {
		runScenario(t, "within the origin, "+name, func(x *scenario) {
			fine := ok()
			x.respondWith(to(status, "/v1/other"), fine)
			x.wantRedirected(fine, "old", "old")
		})
		runScenario(t, "to another host, "+name, func(x *scenario) {
			fine := ok()
			x.respondWith(to(status, "https://other.example.com/"), fine)
			x.wantRedirected(fine, "old", "")
		})
		runScenario(t, "at the replay, "+name, func(x *scenario) {
			fine := ok()
			x.respondWith(unauthorized(), to(status, "/v1/other"), fine)
			x.wantRedirected(fine, "old", "new", "new")
		})
		runScenario(t, "rejected after the redirect, "+name, func(x *scenario) {
			fine := ok()
			x.respondWith(to(status, "/v1/other"), forbidden(codeBody), fine)
			x.wantRedirected(fine, "old", "old", "new")
		})
	}
}
