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

func TestLaw_SentOnce(t *testing.T) {
	onTrial(t, "plain", func(x *trial) {
		fine := ok()
		x.answered(fine)
		x.gets(fine, "old")
	})
	onTrial(t, "refused for another reason", func(x *trial) {
		refusal := forbidden(`{"errorCode":20019,"message":"geo-blocked location"}`)
		x.answered(refusal)
		x.gets(refusal, "old")
	})
	onTrial(t, "with the caller's own Authorization", func(x *trial) {
		rejection := unauthorized()
		x.answered(rejection)
		x.with("Authorization", "Basic own")
		x.gets(rejection, "Basic own")
	})
	onTrial(t, "to a host that is not allowed", func(x *trial) {
		rejection := forbidden(codeBody)
		x.answered(rejection)
		x.tr.AllowHosts = []string{"other.example.com"}
		x.gets(rejection, "")
	})
	onTrial(t, "an upgrade", func(x *trial) {
		upgrade := &answer{status: http.StatusSwitchingProtocols, text: "stream"}
		x.answered(upgrade)
		x.tr.IsRejection = func(*http.Response) bool { return true }
		x.gets(upgrade, "old")
	})
	onTrial(t, "an answer of a known length that might be a legacy rejection", func(x *trial) {
		fine := &answer{status: http.StatusOK, media: jsonMedia, text: `{"things":[]}`}
		x.answered(fine)
		x.tr.LegacyRejections = true
		x.gets(fine, "old")
	})
}

func TestLaw_NotSent(t *testing.T) {
	onTrial(t, "insecure", func(x *trial) {
		x.URL.Scheme = "http"
		x.refuses("transport: will not send a token to http://api.example.com: use https, or set AllowInsecure", 0)
	})
	onTrial(t, "no source", func(x *trial) {
		x.tr.Source = nil
		x.refuses("transport: Source is nil", 0)
	})
	onTrial(t, "no URL", func(x *trial) {
		x.URL = nil
		x.refuses("transport: the request has no URL", 0)
	})
	onTrial(t, "no token", func(x *trial) {
		x.onAsk(1, func(context.Context) error { return errors.New("not now") })
		x.refuses("transport: get token: not now", 1)
	})
	onTrial(t, "an empty token", func(x *trial) {
		x.tr.Source = oauth2.StaticTokenSource(&oauth2.Token{})
		x.refuses("transport: get token: the source returned an empty token", 0)
	})
}

func TestLaw_Rejected(t *testing.T) {
	onTrial(t, "and sent again", func(x *trial) {
		fine := ok()
		x.answered(unauthorized(), fine)
		x.gets(fine, "old", "new")
	})
	onTrial(t, "after a look at the body", func(x *trial) {
		fine := ok()
		x.answered(forbidden(codeBody), fine)
		x.gets(fine, "old", "new")
	})
	onTrial(t, "with a 200", func(x *trial) {
		fine := ok()
		x.answered(&answer{status: http.StatusOK, media: jsonMedia, text: codeBody}, fine)
		x.tr.LegacyRejections = true
		x.gets(fine, "old", "new")
	})
	onTrial(t, "by the user's own rule", func(x *trial) {
		fine := ok()
		x.answered(&answer{status: http.StatusTeapot, text: "tea"}, fine)
		x.tr.IsRejection = func(resp *http.Response) bool {
			_, _ = resp.Body.Read(make([]byte, 1))
			return true
		}
		x.gets(fine, "old", "new")
	})
	onTrial(t, "twice", func(x *trial) {
		second := unauthorized()
		x.answered(unauthorized(), second)
		x.source.tokens = []string{"old", "new", "newer"}
		x.gets(second, "old", "new")
		x.source.assertAsked(x.t, 2, "old")
	})
	onTrial(t, "and no other token", func(x *trial) {
		first := forbidden(codeBody)
		x.answered(first)
		x.source.tokens = []string{"old"}
		x.gets(first, "old")
		x.source.assertAsked(x.t, 2, "old")
	})
	onTrial(t, "and the source fails", func(x *trial) {
		first := forbidden(codeBody)
		x.answered(first)
		x.onAsk(2, func(context.Context) error { return errors.New("not now") })
		x.gets(first, "old")
		x.source.assertAsked(x.t, 2, "old")
	})
	onTrial(t, "and the base fails", func(x *trial) {
		broken := errors.New("broken")
		x.answered(unauthorized(), &answer{err: broken})
		x.fails(broken, "old", "new")
	})
	onTrialOf(t, "with a body that cannot be had again", post, func(x *trial) {
		first := unauthorized()
		x.answered(first)
		x.GetBody = nil
		x.gets(first, "old")
	})
	onTrialOf(t, "with a body that fails to be had again", post, func(x *trial) {
		first := unauthorized()
		x.answered(first)
		x.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("gone") }
		x.gets(first, "old")
	})
	onTrialOf(t, "with a body of which there is no other", post, func(x *trial) {
		first := unauthorized()
		x.answered(first)
		x.GetBody = func() (io.ReadCloser, error) { return nil, nil }
		x.gets(first, "old")
	})
}

func TestLaw_ContextEnds(t *testing.T) {
	gone := func(x *trial) *answer {
		return &answer{err: errGone, before: func(r *http.Request) {
			x.leave(errGone)
			<-r.Context().Done()
		}}
	}
	onTrial(t, "before anything", func(x *trial) {
		x.leave(errGone)
		x.fails(errGone)
		x.source.assertAsked(x.t, 0)
	})
	onTrial(t, "before a plain source is asked, which nothing can bound", func(x *trial) {
		x.leave(errGone)
		x.tr.Source = plainSource(func() (*oauth2.Token, error) { panic("asked") })
		x.fails(errGone)
	})
	onTrial(t, "while the token is waited for", func(x *trial) {
		x.onAsk(1, x.waitUntilGone)
		x.fails(errGone)
	})
	onTrial(t, "while a plain source is waited for", func(x *trial) {
		x.tr.Source = plainSource(func() (*oauth2.Token, error) {
			x.leave(errGone)
			return &oauth2.Token{AccessToken: "late"}, nil
		})
		x.fails(errGone)
	})
	onTrial(t, "while the base runs", func(x *trial) {
		x.answered(gone(x))
		x.fails(errGone, "old")
	})
	onTrial(t, "while the answer is looked at", func(x *trial) {
		half := forbidden(`{"message":"`)
		half.slowly = x.thenGone
		x.answered(half)
		x.fails(errGone, "old")
	})
	onTrial(t, "when the answer has just been seen to be a rejection", func(x *trial) {
		half := forbidden(codeBody[:40])
		half.slowly = x.thenGone
		x.answered(half)
		x.fails(errGone, "old")
		x.source.assertAsked(x.t, 1, "old")
	})
	onTrial(t, "while the other token is waited for", func(x *trial) {
		x.answered(unauthorized())
		x.onAsk(2, x.waitUntilGone)
		x.fails(errGone, "old")
	})
	onTrial(t, "when the other token has just come", func(x *trial) {
		x.answered(unauthorized())
		x.onAsk(2, func(context.Context) error { x.leave(errGone); return nil })
		x.fails(errGone, "old")
	})
	onTrial(t, "while the request is sent again", func(x *trial) {
		x.answered(unauthorized(), gone(x))
		x.fails(errGone, "old", "new")
	})
}

func TestLaw_ErrorsAndPanics(t *testing.T) {
	broken := errors.New("broken")
	onTrial(t, "the base fails", func(x *trial) {
		x.answered(&answer{err: broken})
		x.fails(broken, "old")
	})
	onTrial(t, "the base fails with what is passed on", func(x *trial) {
		x.answered(&answer{err: broken})
		x.with("Authorization", "Basic own")
		x.fails(broken, "Basic own")
	})
	panics := func(*http.Request) { panic("base") }
	onTrial(t, "the base panics", func(x *trial) {
		x.answered(&answer{before: panics})
		x.panics("base", "old")
	})
	onTrial(t, "the base panics when the request is sent again", func(x *trial) {
		x.answered(unauthorized(), &answer{before: panics})
		x.panics("base", "old", "new")
	})
	onTrial(t, "the source panics", func(x *trial) {
		x.onAsk(1, func(context.Context) error { panic("source") })
		x.panics("source")
	})
	onTrial(t, "the source panics when it is asked again", func(x *trial) {
		x.answered(unauthorized())
		x.onAsk(2, func(context.Context) error { panic("source") })
		x.panics("source", "old")
	})
	onTrial(t, "the user's rule panics", func(x *trial) {
		x.answered(unauthorized())
		x.tr.IsRejection = func(resp *http.Response) bool {
			_, _ = resp.Body.Read(make([]byte, 3))
			panic("judge")
		}
		x.panics("judge", "old")
	})
	onTrialOf(t, "the body panics when it is to be had again", post, func(x *trial) {
		x.answered(unauthorized())
		x.GetBody = func() (io.ReadCloser, error) { panic("GetBody") }
		x.panics("GetBody", "old")
	})
	onTrial(t, "the base ends its goroutine", func(x *trial) {
		x.answered(unauthorized(), &answer{before: func(*http.Request) { runtime.Goexit() }})
		x.exits("old", "new")
	})
	onTrialOf(t, "the base panics before it has closed the body", post, func(x *trial) {
		x.tr.Base = baseFunc(func(*http.Request) (*http.Response, error) { panic("base") })
		x.panics("base")
	})
}

func TestLaw_Redirected(t *testing.T) {
	to := func(status int, url string) *answer {
		return &answer{status: status, header: http.Header{"Location": {url}}, text: "over there"}
	}
	for name, status := range map[string]int{"as a GET": http.StatusFound, "as it is": http.StatusTemporaryRedirect} {
		onTrial(t, "within the origin, "+name, func(x *trial) {
			fine := ok()
			x.answered(to(status, "/v1/other"), fine)
			x.follows(fine, "old", "old")
		})
		onTrial(t, "to a stranger, "+name, func(x *trial) {
			fine := ok()
			x.answered(to(status, "https://stranger.example.com/"), fine)
			x.follows(fine, "old", "")
		})
		onTrial(t, "when sent again, "+name, func(x *trial) {
			fine := ok()
			x.answered(unauthorized(), to(status, "/v1/other"), fine)
			x.follows(fine, "old", "new", "new")
		})
		onTrial(t, "and rejected there, "+name, func(x *trial) {
			fine := ok()
			x.answered(to(status, "/v1/other"), forbidden(codeBody), fine)
			x.follows(fine, "old", "old", "new")
		})
	}
}
