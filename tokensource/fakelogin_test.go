package tokensource_test

import (
	"context"
	"sync"
	"testing"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// desk is a scripted LoginFunc.
type desk struct {
	gw *gateway

	mu     sync.Mutex
	asked  []*tokensource.LoginRequiredError
	ctxs   []context.Context
	script []error
	held   chan struct{}
}

func (d *desk) login(ctx context.Context, ended *tokensource.LoginRequiredError) (*ags.Token, error) {
	d.mu.Lock()
	d.asked = append(d.asked, ended)
	d.ctxs = append(d.ctxs, ctx)
	var err error
	if len(d.script) > 0 {
		err, d.script = d.script[0], d.script[1:]
	}
	held := d.held
	d.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	return d.gw.signOn(), nil
}

func (d *desk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.asked)
}

// atTheDesk is a story with a Login.
func atTheDesk(t *testing.T, set func(*rig, *tokensource.Config), tell func(*testing.T, *rig, *desk)) {
	t.Helper()
	var d *desk
	story(t, func(r *rig, c *tokensource.Config) {
		d = &desk{gw: r.gw}
		c.Login = d.login
		if set != nil {
			set(r, c)
		}
	}, func(t *testing.T, r *rig) { tell(t, r, d) })
}
