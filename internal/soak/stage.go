package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
)

const (
	// members share the session.
	members = 4
	// signer is the member that can sign on.
	signer = members - 1
)

// cast is what there is to one stage and not to another.
type cast struct {
	name string
	// kinds are what goes wrong on it.
	kinds []kind
	// fixedLifetime is how long a session lasts that nothing ends.
	fixedLifetime time.Duration
	// inMemory has the platform listen in memory, for a test in a bubble.
	inMemory bool
}

// casts are the two that are soaked: in one sessions are ended, long before their time,
// by all that can end one; in the other a session goes through everything else until it
// has reached its fixed horizon.
func casts(horizon time.Duration) []cast {
	lasting := slices.DeleteFunc(kinds(), kind.endsSessions)
	return []cast{
		{name: "restless", kinds: kinds(), fixedLifetime: fixedLifetime},
		{name: "lasting", kinds: lasting, fixedLifetime: horizon},
	}
}

// stage is a platform, and the members that use it.
type stage struct {
	cast
	srv     *agstest.Server
	clock   *jumpy
	folder  string
	file    string
	gateway *ags.Client
	model   *model
	book    *book
	base    *http.Transport
	members [members]*member
}

// build sets the stage, and signs on.
func build(ctx context.Context, c cast, say io.Writer) (*stage, error) {
	s := &stage{cast: c, clock: newJumpy(), book: newBook(c.name, say), base: &http.Transport{MaxIdleConnsPerHost: 1024}}
	s.model = &model{canLogin: func(member int) bool { return member == signer }}
	s.srv = agstest.NewServer(agstest.Config{
		AccessLifetime: accessLifetime, RefreshLifetime: refreshLifetime, FixedLifetime: c.fixedLifetime,
		// An answer that is lost can be had once more; a refresh token that is
		// spent twice later than that ends the session, and is found out.
		ReuseGrace:            2 * time.Second,
		AccessEndsWithSession: true,
		InMemory:              c.inMemory,
		// Of tokens as short as these, whole seconds would cut off a quarter.
		Quirks: agstest.Quirks{MillisecondClaims: true},
	})
	if c.inMemory {
		s.base = s.srv.Client().Transport.(*http.Transport)
	}
	var err error
	if s.folder, err = os.MkdirTemp("", "agsauth-soak-"); err != nil {
		return s, err
	}
	s.file = filepath.Join(s.folder, "session.json")
	s.gateway, err = ags.New(ags.Config{
		BaseURL: s.srv.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra", Clock: s.clock,
		HTTPClient: &http.Client{Transport: s.base}, Retry: ags.Retry{Max: 8, Min: 100 * time.Millisecond},
	})
	if err != nil {
		return s, err
	}
	for i := range s.members {
		if s.members[i], err = s.enter(i); err != nil {
			return s, err
		}
	}
	return s, s.login(ctx, s.members[0])
}

// close ends all, and leaves nothing behind.
func (s *stage) close() error {
	var errs []error
	for _, m := range s.members {
		if m != nil {
			errs = append(errs, m.close())
		}
	}
	s.base.CloseIdleConnections()
	s.srv.Close()
	return errors.Join(append(errs, os.RemoveAll(s.folder))...)
}

// asDave is a sign-on by the user that every gateway knows.
func asDave(clientID string) ags.SignOnRequest {
	return ags.SignOnRequest{
		Parameters: []ags.Parameter{
			{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword},
		},
		ClientID: clientID, DeviceInformation: json.RawMessage(`{"deviceType":"STB"}`),
	}
}

// login is what a human does.
func (s *stage) login(ctx context.Context, m *member) error {
	src := m.now().source
	token, err := s.gateway.SignOn(ctx, asDave(src.Status().ClientID))
	if err != nil {
		return err
	}
	return src.SetToken(ctx, token)
}

// traffic is callers at work.
type traffic struct {
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// begin has callers call, each member as many as the others.
func (s *stage) begin(ctx context.Context, callers int) *traffic {
	t := &traffic{}
	// An interrupt ends the play, and then the calls: those under way count as well.
	ctx, t.stop = context.WithCancel(context.WithoutCancel(ctx))
	for i := range callers {
		m := s.members[i%members]
		t.wg.Go(func() {
			ticker := time.NewTicker(pace)
			defer ticker.Stop()
			for {
				// Not under ctx: what is under way at the end is to count as well.
				s.call(context.WithoutCancel(ctx), m)
				select {
				case <-ticker.C:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	return t
}

const (
	// pace is what lies between two calls of one caller.
	pace = 400 * time.Millisecond
	// patience is what a caller has.
	patience = 30 * time.Second
)

// end lets the calls under way come to their ends.
func (t *traffic) end() {
	t.stop()
	t.wg.Wait()
}

// call makes one, and takes down what came of it.
func (s *stage) call(ctx context.Context, m *member) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := &call{member: m.index, begin: time.Now()}
	err := m.get(context.WithValue(ctx, callKey{}, c), s.srv.URL+"/api/profile")
	c.end, c.tokenDead = time.Now(), m.tokenDead()
	c.take(err)
	s.book.called(c, c.outcome == served || s.model.explains(c))
}

// get makes one request.
func (m *member) get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := m.now().client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return statusError(resp.StatusCode)
	}
	return nil
}

// statusError is an answer that is no good.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("status %d", int(e)) }

// quiet keeps net/http's own log from the terminal: connections that are broken
// off on purpose are its daily bread.
func quiet() { log.SetOutput(io.Discard) }
