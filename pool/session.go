package pool

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

var _ oauth2.TokenSource = (*Session)(nil)

// errInterrupted says that the caller does not wait any more.
var errInterrupted = errors.New("pool: interrupted")

// Session is the session of one key. It has the methods of a [tokensource.Source], whose
// documentation applies, and can be kept for as long as the Pool: it brings the session
// into memory when it is used, whether or not it was evicted before. All methods are safe
// for concurrent use.
//
// The methods that return an error return [ErrEmptyKey] if the key is empty, [ErrClosed]
// after Drain, and a [*CallbackError] if Config.Store or Config.Login fails for the key.
type Session struct {
	pool  *Pool
	key   string
	entry atomic.Pointer[entry] // the last one that was found; it may have been evicted
}

// Session returns the session of a key. It does no I/O. The session is brought into memory
// when it is used.
func (p *Pool) Session(key string) *Session {
	s := &Session{pool: p, key: key}
	s.entry.Store(p.find(key))
	return s
}

// Key returns the key.
func (s *Session) Key() string { return s.key }

// TokenContext returns a live token. See [tokensource.Source.TokenContext].
func (s *Session) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	if e := s.entry.Load(); e != nil {
		if src := e.live.Load(); src != nil {
			e.touch()
			t, err := src.TokenContext(ctx)
			if err == nil || !e.wasEvicted(src, err) {
				return t, err
			}
		}
	}
	return call(ctx, s.pool, s.key, &s.entry, (*tokensource.Source).TokenContext)
}

// Token is [Session.TokenContext] for libraries that have no context. It returns a copy.
func (s *Session) Token() (*oauth2.Token, error) {
	return use(s.pool, s.key, &s.entry, nil, (*tokensource.Source).Token)
}

// TokenValidFor returns a token that is valid for d. See [tokensource.Source.TokenValidFor].
func (s *Session) TokenValidFor(ctx context.Context, d time.Duration) (*oauth2.Token, error) {
	return call(ctx, s.pool, s.key, &s.entry, func(src *tokensource.Source, ctx context.Context) (*oauth2.Token, error) {
		return src.TokenValidFor(ctx, d)
	})
}

// Invalidate reports that an API has rejected the access token. It has no effect if the
// session is not in memory. See [tokensource.Source.Invalidate].
func (s *Session) Invalidate(accessToken string) { s.pool.invalidate(s.key, accessToken) }

func (p *Pool) invalidate(key, accessToken string) {
	if e := p.find(key); e != nil {
		if src := e.live.Load(); src != nil {
			src.Invalidate(accessToken)
		}
	}
}

// SetToken hands in a session. See [tokensource.Source.SetToken].
func (s *Session) SetToken(ctx context.Context, t *ags.Token) error {
	return s.do(ctx, func(src *tokensource.Source) error { return src.SetToken(ctx, t) })
}

// SignOut ends the session. See [tokensource.Source.SignOut].
func (s *Session) SignOut(ctx context.Context) error {
	return s.do(ctx, func(src *tokensource.Source) error { return src.SignOut(ctx) })
}

// Sync reads the store and adopts what is newer there. See [tokensource.Source.Sync].
func (s *Session) Sync(ctx context.Context) error {
	return s.do(ctx, func(src *tokensource.Source) error { return src.Sync(ctx) })
}

// Status tells where the session stands. It does not bring the session into memory: the
// Status of one that is not is the zero Status, whose phase is unknown.
func (s *Session) Status() tokensource.Status {
	if e := s.pool.find(s.key); e != nil {
		if src := e.live.Load(); src != nil {
			return src.Status()
		}
	}
	return tokensource.Status{}
}

// LoginRequired returns a channel that is closed when the session has ended, as that of
// [tokensource.Source.LoginRequired] is. The end of a session that is not in memory is
// noticed when it is brought into memory. The channel is nil if the Pool is closed, or the
// session cannot be brought into memory.
func (s *Session) LoginRequired() <-chan struct{} {
	for {
		e, src, err := s.pool.source(nil, s.key, nil)
		if err != nil {
			return nil
		}
		ended := src.Status().Reason != 0
		if required := s.pool.required(e, src); required != nil {
			if ended {
				e.noteEnd(true)
			}
			return required
		}
	}
}

// required returns the channel of LoginRequired, nil if the Source of the entry is not
// src any more.
func (p *Pool) required(e *entry, src *tokensource.Source) <-chan struct{} {
	sh := p.shard(e.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e.live.Load() != src {
		return nil
	}
	if e.required == nil {
		e.required = make(chan struct{})
	}
	return e.required
}

func (s *Session) do(ctx context.Context, f func(*tokensource.Source) error) error {
	_, err := call(ctx, s.pool, s.key, &s.entry, func(src *tokensource.Source, _ context.Context) (struct{}, error) {
		return struct{}{}, f(src)
	})
	return err
}

// call is use with a context.
func call[T any](ctx context.Context, p *Pool, key string, found *atomic.Pointer[entry], f func(*tokensource.Source, context.Context) (T, error)) (T, error) {
	result, err := use(p, key, found, ctx.Done(), func(src *tokensource.Source) (T, error) { return f(src, ctx) })
	if errors.Is(err, errInterrupted) {
		err = context.Cause(ctx)
	}
	return result, err
}

// use calls f with the Source of a key, and again if that was evicted meanwhile. It notes
// the entry in found, if that is not nil.
func use[T any](p *Pool, key string, found *atomic.Pointer[entry], done <-chan struct{}, f func(*tokensource.Source) (T, error)) (T, error) {
	for {
		e, src, err := p.source(done, key, nil)
		if err != nil {
			var none T
			return none, err
		}
		if found != nil && found.Load() != e {
			found.Store(e)
		}
		e.touch()
		result, err := f(src)
		if err == nil || !e.wasEvicted(src, err) {
			return result, err
		}
	}
}
