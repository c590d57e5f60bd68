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
	// replicas share the session.
	replicas = 4
	// signingReplica is the replica that can sign on.
	signingReplica = replicas - 1
)

// groupConfig is what the groups differ in.
type groupConfig struct {
	name string
	// kinds are the faults of the group.
	kinds []kind
	// fixedLifetime is the lifetime of a session that nothing ends early.
	fixedLifetime time.Duration
	// inMemory makes the platform listen in memory, for a test in a synctest bubble.
	inMemory bool
}

// groupConfigs returns the two groups. In one, sessions are ended early by everything that
// can end one. In the other, a session survives all other faults until its fixed horizon.
func groupConfigs(lifetime time.Duration) []groupConfig {
	lasting := slices.DeleteFunc(kinds(), kind.endsSessions)
	return []groupConfig{
		{name: "ending", kinds: kinds(), fixedLifetime: fixedLifetime},
		{name: "lasting", kinds: lasting, fixedLifetime: lifetime},
	}
}

// group is a platform, and the replicas that use it.
type group struct {
	groupConfig
	srv      *agstest.Server
	clock    *jumpingClock
	folder   string
	file     string
	gateway  *ags.Client
	model    *model
	recorder *recorder
	base     *http.Transport
	replicas [replicas]*replica
}

// newGroup starts the platform of the group and signs on.
func newGroup(ctx context.Context, c groupConfig, out io.Writer) (*group, error) {
	g := &group{groupConfig: c, clock: newJumpingClock(), recorder: newRecorder(c.name, out), base: &http.Transport{MaxIdleConnsPerHost: 1024}}
	g.model = &model{canLogin: func(replica int) bool { return replica == signingReplica }}
	g.srv = agstest.NewServer(agstest.Config{
		AccessLifetime: accessLifetime, RefreshLifetime: refreshLifetime, FixedLifetime: c.fixedLifetime,
		// A lost answer can be repeated for a while. A refresh token used twice after that
		// ends the session, and is noticed.
		ReuseGrace:            2 * time.Second,
		AccessEndsWithSession: true,
		InMemory:              c.inMemory,
		// Whole seconds would cut off a quarter of tokens as short as these.
		Quirks: agstest.Quirks{MillisecondClaims: true},
	})
	if c.inMemory {
		g.base = g.srv.Client().Transport.(*http.Transport)
	}
	var err error
	if g.folder, err = os.MkdirTemp("", "agsauth-soak-"); err != nil {
		return g, err
	}
	g.file = filepath.Join(g.folder, "session.json")
	g.gateway, err = ags.New(ags.Config{
		BaseURL: g.srv.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra", Clock: g.clock,
		HTTPClient: &http.Client{Transport: g.base}, Retry: ags.Retry{Max: 8, Min: 100 * time.Millisecond},
	})
	if err != nil {
		return g, err
	}
	for i := range g.replicas {
		if g.replicas[i], err = g.newReplica(i); err != nil {
			return g, err
		}
	}
	return g, g.login(ctx, g.replicas[0])
}

// close stops the group and waits until everything has ended.
func (g *group) close() error {
	var errs []error
	for _, m := range g.replicas {
		if m != nil {
			errs = append(errs, m.close())
		}
	}
	g.base.CloseIdleConnections()
	g.srv.Close()
	return errors.Join(append(errs, os.RemoveAll(g.folder))...)
}

// asDave is a sign-on by the default user of agstest.
func asDave(clientID string) ags.SignOnRequest {
	return ags.SignOnRequest{
		Parameters: []ags.Parameter{
			{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword},
		},
		ClientID: clientID, DeviceInformation: json.RawMessage(`{"deviceType":"STB"}`),
	}
}

// login signs on, as a human would, and hands in the token.
func (g *group) login(ctx context.Context, m *replica) error {
	src := m.current().source
	token, err := g.gateway.SignOn(ctx, asDave(src.Status().ClientID))
	if err != nil {
		return err
	}
	return src.SetToken(ctx, token)
}

// traffic is the running callers.
type traffic struct {
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// begin starts the callers, the same number for each replica.
func (g *group) begin(ctx context.Context, callers int) *traffic {
	t := &traffic{}
	// An interrupt ends the schedule and then the calls. Those under way count, too.
	ctx, t.stop = context.WithCancel(context.WithoutCancel(ctx))
	for i := range callers {
		m := g.replicas[i%replicas]
		t.wg.Go(func() {
			ticker := time.NewTicker(callInterval)
			defer ticker.Stop()
			for {
				// Not under ctx, so that calls under way at the end count, too.
				g.call(context.WithoutCancel(ctx), m)
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
	// callInterval is the pause between two calls of a caller.
	callInterval = 400 * time.Millisecond
	// callTimeout is the timeout of a call.
	callTimeout = 30 * time.Second
)

// end waits for the calls under way.
func (t *traffic) end() {
	t.stop()
	t.wg.Wait()
}

// call makes a call and records its result.
func (g *group) call(ctx context.Context, m *replica) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c := &call{replica: m.index, begin: time.Now()}
	err := m.get(context.WithValue(ctx, callKey{}, c), g.srv.URL+"/api/profile")
	c.end, c.tokenExpiry = time.Now(), m.tokenExpiry()
	c.setOutcome(err)
	g.recorder.call(c, c.outcome == served || g.model.explains(c))
}

// get makes one request.
func (m *replica) get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := m.current().client.Do(req)
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

// statusError is an answer with an unexpected status.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("status %d", int(e)) }

// discardLog keeps the log of net/http from the terminal. The faults break many
// connections, and net/http logs each.
func discardLog() { log.SetOutput(io.Discard) }
