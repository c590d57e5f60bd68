package ags_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/internal/faultproxy"
)

// A fault of the network has the same outcome in every dialect. None of them is a refusal.
func TestDialect_EveryHazardOfARefresh(t *testing.T) {
	for _, d := range []ags.Dialect{ags.IASv3, ags.IASv2} {
		f := newFaultClient(t, agstest.Config{Dialect: agstest.Dialect(d), ReusableRefreshTokens: true}, func(c *ags.Config) { c.Dialect = d })
		wanted := outcomes()
		for _, h := range faultproxy.Scenarios(t, f.proxy) {
			f.proxy.Set(h.Fault)
			_, err := f.refresh(t, h)
			f.proxy.AwaitClosed()
			f.wantNoSecret(t, err)
			if h.Harmless {
				require.NoError(t, err, h.Name)
				continue
			}
			wanted[h.Name].check(t, h, asError(t, err))
			assert.False(t, asError(t, err).Refusal, h.Name)
		}
		f.proxy.Set(nil)
		_, err := f.refresh(t, faultproxy.Scenario{})
		require.NoError(t, err)
	}
}

// A sign-on of IASv2 through every fault.
func TestIASv2_EveryHazardOfASignOn(t *testing.T) {
	f := newFaultClient(t, agstest.Config{Dialect: agstest.IASv2}, func(c *ags.Config) { c.Dialect = ags.IASv2 })
	for _, h := range faultproxy.Scenarios(t, f.proxy) {
		if h.Stuck {
			continue // as any call
		}
		f.proxy.Set(h.Fault)
		_, err := f.client.SignOn(t.Context(), signOnRequest())
		f.proxy.AwaitClosed()
		require.Equal(t, h.Harmless, err == nil, "%s: %v", h.Name, err)
		printed := fmt.Sprintf("%v %+v %#v %q %s", err, err, err, err, f.log.String())
		for _, form := range []string{agstest.DefaultPassword, url.QueryEscape(agstest.DefaultPassword), url.PathEscape(agstest.DefaultPassword)} {
			assert.False(t, strings.Contains(printed, form), h.Name)
		}
	}
}
