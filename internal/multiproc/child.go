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

// child is the state of a child process.
type child struct {
	spec    Spec
	gateway *ags.Client
	source  *tokensource.Source
	client  *http.Client
	writeMu sync.Mutex // held while a line is written
	goOn    chan struct{}
	traffic traffic
}

// runChild runs a child process until its standard input ends.
func runChild(spec Spec, open Open) error {
	ctx := context.Background()
	ch := &child{spec: spec, goOn: make(chan struct{})}
	in := json.NewDecoder(os.Stdin)
	var first command
	if err := in.Decode(&first); err != nil {
		return err
	}
	var fake *clock.Fake
	var c clock.Clock = clock.Real{}
	if spec.Spend {
		fake = clock.NewFake(time.Now())
		c = fake
	}
	if err := ch.build(ctx, open, c); err != nil {
		return err
	}
	ch.send(line{Serial: first.Serial})
	if spec.Spend {
		return ch.refreshForever(ctx, fake)
	}
	return ch.serve(ctx, in)
}

func (ch *child) build(ctx context.Context, open Open, c clock.Clock) error {
	store, err := open(ch.spec.Store)
	if err != nil {
		return err
	}
	if ch.spec.Linger {
		store = pausingStore{store, ch}
	}
	ch.gateway, err = ags.New(ags.Config{
		BaseURL: ch.spec.Gateway, AuthServiceID: "Customer Auth Service", TenantID: "nagra",
		Header: http.Header{NameHeader: {ch.spec.Name}}, Clock: c, Timeout: ch.spec.GatewayTimeout,
	})
	if err != nil {
		return err
	}
	cfg := tokensource.Config{
		Refresher: ch.gateway, Store: store, Clock: c, OnEvent: ch.onEvent,
		RefreshBefore: ch.spec.RefreshBefore, RefreshTimeout: ch.spec.RefreshTimeout,
		LockTimeout: ch.spec.LockTimeout, StoreTimeout: ch.spec.StoreTimeout,
	}
	if ch.spec.Login {
		cfg.Login = tokensource.SignOnWith(ch.gateway, signOn(""))
	}
	if ch.spec.Carry {
		if cfg.Token, err = ch.gateway.SignOn(ctx, signOn("")); err != nil {
			return err
		}
	}
	if ch.source, err = tokensource.New(cfg); err != nil {
		return err
	}
	ch.client = &http.Client{Transport: &transport.Transport{Source: ch.source}}
	return nil
}

// signOn returns the sign-on request of the default user, for the device with this
// client ID or, without one, for a new device.
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

// serve runs each command on a goroutine of its own, since one command may wait for
// another.
func (ch *child) serve(ctx context.Context, in *json.Decoder) error {
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
			result, err := ch.do(ctx, c)
			if err == nil {
				l.Result, err = json.Marshal(result)
			}
			if err != nil {
				l.Failure = err.Error()
			}
			ch.send(l)
		})
	}
}

func (ch *child) do(ctx context.Context, c command) (any, error) {
	switch c.Do {
	case doAsk:
		return ch.ask(ctx), nil
	case doTraffic:
		ch.traffic.begin(ctx, c.N, ch.ask)
		return nil, nil
	case doTally:
		return ch.traffic.end(), nil
	case doSignOn:
		return nil, ch.signOn(ctx)
	case doSignOut:
		return nil, ch.source.SignOut(ctx)
	case doLimit:
		return nil, limitFiles(c.N)
	case doGoOn:
		ch.goOn <- struct{}{}
		return nil, nil
	case doClose:
		return nil, ch.source.Close()
	}
	return nil, fmt.Errorf("no such command: %q", c.Do)
}

func (ch *child) signOn(ctx context.Context) error {
	// Load the stored device identity first. If that fails, SetToken returns the
	// error.
	_ = ch.source.Sync(ctx)
	token, err := ch.gateway.SignOn(ctx, signOn(ch.source.Status().ClientID))
	if err != nil {
		return err
	}
	return ch.source.SetToken(ctx, token)
}

// ask sends one request to the API.
func (ch *child) ask(ctx context.Context) Answer {
	begin := time.Now()
	var a Answer
	var echo agstest.Echo
	err := func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, ch.spec.Gateway+"/api/profile", nil)
		if err != nil {
			return err
		}
		resp, err := ch.client.Do(req)
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

// fail records the error of a request.
func (a *Answer) fail(err error) {
	if err == nil {
		return
	}
	a.Failure = err.Error()
	if required, ok := errors.AsType[*tokensource.LoginRequiredError](err); ok {
		a.Reason, a.OutcomeUnknown = required.Reason, required.OutcomeUnknown
	}
}

func (ch *child) onEvent(e tokensource.Event) {
	n := Notice{Kind: e.Kind, Reason: e.Reason}
	if e.Err != nil {
		n.Failure = e.Err.Error()
	}
	ch.send(line{Notice: &n})
}

// send writes one line. It panics on an error, since the parent must have gone.
func (ch *child) send(l line) {
	ch.writeMu.Lock()
	defer ch.writeMu.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(l); err != nil {
		panic(err)
	}
}

// refreshForever lets the access token expire and refreshes it, over and over. The
// test has set the lifetime of access tokens to one second.
func (ch *child) refreshForever(ctx context.Context, fake *clock.Fake) error {
	for {
		fake.Advance(time.Second)
		if _, err := ch.source.TokenContext(ctx); err != nil {
			var a Answer
			a.fail(err)
			ch.send(line{Ended: &a})
			return ch.source.Close()
		}
	}
}

// pausingStore is a store whose Lock, once it holds the lock, waits for
// [Process.GoOn].
type pausingStore struct {
	tokensource.Store

	ch *child
}

func (l pausingStore) Lock(ctx context.Context) (func() error, error) {
	unlock, err := l.Store.(tokensource.Locker).Lock(ctx)
	if err == nil {
		l.ch.send(line{Locked: true})
		<-l.ch.goOn
	}
	return unlock, err
}
