package multiproc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

// member is a process of a fleet, as it sees itself.
type member struct {
	spec    Spec
	gateway *ags.Client
	source  *tokensource.Source
	client  *http.Client
	said    sync.Mutex // held while a line is written
	goOn    chan struct{}
	traffic traffic
}

// play plays the part that spec describes, until it is told to end.
func play(spec Spec, open Open) error {
	ctx := context.Background()
	m := &member{spec: spec, goOn: make(chan struct{})}
	in := json.NewDecoder(os.Stdin)
	var hello command
	if err := in.Decode(&hello); err != nil {
		return err
	}
	var fake *clock.Fake
	var c clock.Clock = clock.Real{}
	if spec.Spend {
		fake = clock.NewFake(time.Now())
		c = fake
	}
	if err := m.build(ctx, open, c); err != nil {
		return err
	}
	m.say(line{Serial: hello.Serial})
	if spec.Spend {
		return m.spend(ctx, fake)
	}
	return m.obey(ctx, in)
}

func (m *member) build(ctx context.Context, open Open, c clock.Clock) error {
	store, err := open(m.spec.Store)
	if err != nil {
		return err
	}
	if m.spec.Linger {
		store = lingering{store, m}
	}
	m.gateway, err = ags.New(ags.Config{
		BaseURL: m.spec.Gateway, AuthServiceID: "Customer Auth Service", TenantID: "nagra",
		Header: http.Header{NameHeader: {m.spec.Name}}, Clock: c, Timeout: m.spec.GatewayTimeout,
	})
	if err != nil {
		return err
	}
	cfg := tokensource.Config{
		Refresher: m.gateway, Store: store, Clock: c, OnEvent: m.notice,
		RefreshBefore: m.spec.RefreshBefore, RefreshTimeout: m.spec.RefreshTimeout,
		LockTimeout: m.spec.LockTimeout, StoreTimeout: m.spec.StoreTimeout,
	}
	if m.spec.Login {
		cfg.Login = tokensource.SignOnWith(m.gateway, signOn(""))
	}
	if m.spec.Carry {
		if cfg.Token, err = m.gateway.SignOn(ctx, signOn("")); err != nil {
			return err
		}
	}
	if m.source, err = tokensource.New(cfg); err != nil {
		return err
	}
	m.client = &http.Client{Transport: &transport.Transport{Source: m.source}}
	return nil
}

// signOn is a sign-on by the user that every gateway knows, on this device or,
// with an empty clientID, on a new one.
func signOn(clientID string) ags.SignOnRequest {
	r := ags.SignOnRequest{Parameters: []ags.Parameter{
		{Name: "username", Value: agstest.DefaultUsername},
		{Name: "password", Value: agstest.DefaultPassword},
	}, ClientID: clientID}
	if clientID == "" {
		r.DeviceInformation = json.RawMessage(`{"deviceType":"STB"}`)
	}
	return r
}

// obey does what it is told, each command on a goroutine of its own, since one may
// wait for what another brings about.
func (m *member) obey(ctx context.Context, in *json.Decoder) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		var c command
		if err := in.Decode(&c); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		wg.Go(func() {
			l := line{Serial: c.Serial}
			result, err := m.do(ctx, c)
			if err == nil {
				l.Result, err = json.Marshal(result)
			}
			if err != nil {
				l.Failure = err.Error()
			}
			m.say(l)
		})
	}
}

func (m *member) do(ctx context.Context, c command) (any, error) {
	switch c.Do {
	case doAsk:
		return m.ask(ctx), nil
	case doTraffic:
		m.traffic.begin(ctx, c.N, m.ask)
		return nil, nil
	case doTally:
		return m.traffic.end(), nil
	case doSignOn:
		return nil, m.signOn(ctx)
	case doSignOut:
		return nil, m.source.SignOut(ctx)
	case doSync:
		return nil, m.source.Sync(ctx)
	case doLimit:
		return nil, limitFiles(c.N)
	case doGoOn:
		m.goOn <- struct{}{}
		return nil, nil
	case doClose:
		return nil, m.source.Close()
	}
	return nil, fmt.Errorf("no such command: %q", c.Do)
}

func (m *member) signOn(ctx context.Context) error {
	// So that the source knows what device it is. If it cannot be said, SetToken
	// will say why.
	_ = m.source.Sync(ctx)
	token, err := m.gateway.SignOn(ctx, signOn(m.source.Status().ClientID))
	if err != nil {
		return err
	}
	return m.source.SetToken(ctx, token)
}

// ask sends one request to the API.
func (m *member) ask(ctx context.Context) Answer {
	begin := time.Now()
	var a Answer
	var echo agstest.Echo
	err := func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.spec.Gateway+"/api/profile", nil)
		if err != nil {
			return err
		}
		resp, err := m.client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if a.Status = resp.StatusCode; a.Status != http.StatusOK {
			return nil
		}
		return json.NewDecoder(resp.Body).Decode(&echo)
	}()
	a.Session, a.Generation, a.Took = echo.Session, echo.Generation, time.Since(begin)
	a.fail(err)
	return a
}

// fail notes what went wrong.
func (a *Answer) fail(err error) {
	if err == nil {
		return
	}
	a.Failure = err.Error()
	if required, ok := errors.AsType[*tokensource.LoginRequiredError](err); ok {
		a.Reason, a.OutcomeUnknown = required.Reason, required.OutcomeUnknown
	}
}

func (m *member) notice(e tokensource.Event) {
	n := Notice{Kind: e.Kind, Reason: e.Reason}
	if e.Err != nil {
		n.Failure = e.Err.Error()
	}
	m.say(line{Notice: &n})
}

// say writes one line. A process that cannot has nobody left to tell.
func (m *member) say(l line) {
	m.said.Lock()
	defer m.said.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(l); err != nil {
		panic(err)
	}
}

// spend spends one refresh token after the other: each time the clock has jumped to
// the expiry of the access token, which the test has made a second.
func (m *member) spend(ctx context.Context, fake *clock.Fake) error {
	for {
		fake.Advance(time.Second)
		if _, err := m.source.TokenContext(ctx); err != nil {
			var a Answer
			a.fail(err)
			m.say(line{Ended: &a})
			return m.source.Close()
		}
	}
}

// lingering is a store whose Lock returns only when its process is told to go on.
type lingering struct {
	tokensource.Store

	m *member
}

func (l lingering) Lock(ctx context.Context) (func() error, error) {
	unlock, err := l.Store.(tokensource.Locker).Lock(ctx)
	if err == nil {
		l.m.say(line{Locked: true})
		<-l.m.goOn
	}
	return unlock, err
}
