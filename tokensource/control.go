package tokensource

import (
	"context"
	"errors"
	"fmt"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
)

// Invalidate reports that an API has rejected the access token. If that is the current
// one, callers from now on wait for a refresh, rather than being served it. If that
// refresh fails without ending the session, the token is served again. After the
// back-off, the next caller or Run tries the refresh again in the background.
//
// Repeated invalidations are limited: after one invalidation, others within 10 seconds,
// or half a token's life if that is shorter, have no effect, and that span doubles, up to
// 5 minutes, while each new token is rejected early in its life. An invalidation has no
// effect either without a refresh token, and while a failed refresh is remembered. After
// the gateway has rejected the refresh token, an invalidation stops the access token from
// being served, because gateway and API agree. Invalidate does not wait and does no I/O.
func (s *Source) Invalidate(accessToken string) {
	now := s.cfg.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.state.Pair(); s.closed || p == nil || bearer(p).AccessToken != accessToken {
		return
	}
	s.applyLocked(lifecycle.Invalidated{}, now)
}

// LoginRequired returns a channel that is closed when the Source notices that the current
// session has ended: in a call for a token, in Status or Run, when a refresh is rejected,
// and on a sign-out, by this Source or found in the store. It is closed also if there is
// a Login, which may be about to start a new session. Once there is a new session
// LoginRequired returns a new channel. Close does not close it, so also select on
// something that ends with the Source.
func (s *Source) LoginRequired() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.required == nil {
		s.required = make(chan struct{})
		if s.state.End() != nil {
			close(s.required)
		}
	}
	return s.required
}

// SetToken hands in a session, for example after a human has signed on. It replaces
// whatever there was, ended or not, and supersedes a refresh or login under way. With a
// Store the token is saved first, as a new generation. SetToken waits for other uses of
// the store in this process, for LockTimeout at most, as long again for the lock, and for
// the store's calls; the end of ctx ends these waits. An error says that the token could
// not be saved: it is in use all the same, and is saved later. It is not used if the
// error is [ErrClosed], if it has no access token, or if a later SetToken or SignOut
// superseded it.
func (s *Source) SetToken(ctx context.Context, t *ags.Token) error {
	if t == nil || t.AccessToken.IsZero() {
		return errors.New("tokensource: SetToken: no access token")
	}
	if s.isInLogin(ctx) {
		return errInLogin
	}
	op, leave, err := s.enter(ctx, lifecycle.Save)
	if err != nil {
		return err
	}
	defer leave()
	return op.setToken(t)
}

func (op *operation) setToken(t *ags.Token) error {
	s, former := op.src, op.startSetToken()
	defer op.finish(nil)
	next, result := s.handedInPair(t, former), lifecycle.SaveResult{Overwrite: true}
	if s.shared != nil {
		rec, release, err := op.saveExplicitly(recordOfPair(next))
		// Only after the token is published; otherwise a Sync could adopt the record
		// first.
		defer release()
		next = s.handedInPair(t, lifecycle.Device{ClientID: rec.ClientID, AccountID: rec.AccountID})
		result.Generation, result.Err = rec.Generation, err
	}
	now := s.cfg.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed && result.Err != nil:
		return ErrClosed
	case s.work.epoch != op.epoch:
		return errSuperseded
	}
	s.supersedeLocked(errSuperseded) // what was begun meanwhile was for the former session
	s.applyLocked(lifecycle.TokenSet{Pair: next, Save: result}, now)
	s.notifyWaitersLocked()
	if result.Err != nil {
		return fmt.Errorf("tokensource: set token: it is in use, but not saved: %w", result.Err)
	}
	return nil
}

// startSetToken supersedes what is under way for the former session, puts the operation of
// the SetToken in flight, and returns the device that the next session inherits. While
// the operation is in flight nothing is begun for the former session, least of all a
// Login.
func (op *operation) startSetToken() lifecycle.Device {
	s := op.src
	s.mu.Lock()
	defer s.mu.Unlock()
	superseded := s.operationLocked()
	s.supersedeLocked(errSuperseded)
	s.work.op, op.epoch = op, s.work.epoch
	if superseded != nil {
		op.epoch.former = superseded.epoch
	}
	return s.state.Device()
}

// Sync reads the store now and adopts what is newer there: a refresh or a login by
// another process, or a sign-out. It never calls the gateway. It waits for a refresh or
// login under way in this process, for LockTimeout at most, and for the store, for
// StoreTimeout; the end of ctx ends both waits. After Close the error is [ErrClosed].
// Without a Store it does nothing.
func (s *Source) Sync(ctx context.Context) error {
	op, leave, err := s.enter(ctx, lifecycle.Load)
	if err != nil {
		return err
	}
	defer leave()
	if s.shared == nil {
		return nil
	}
	if s.isInLogin(ctx) {
		return errInLogin
	}
	return op.sync()
}

func (op *operation) sync() error {
	release, err := op.acquire(op.src.cfg.settings().lockTimeout)
	defer release()
	if err == nil {
		err = op.readStore()
	}
	return callError(op.ctx, "sync", err)
}
