package transport_test

import (
	"cmp"
	"net"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/transport"
)

func TestAllowHosts_Entries(t *testing.T) {
	for _, tc := range []struct {
		entry, url string
		want       bool
	}{
		{"api.example.com", "https://api.example.com/", true},
		{"api.example.com", "https://API.Example.COM/", true},
		{"API.example.com", "https://api.example.com/", true},
		{"abcdefghijklmnopqrstuvwxyz.example", "https://ABCDEFGHIJKLMNOPQRSTUVWXYZ.example/", true},
		{"api.example.com", "https://api.example.com./", true},
		{"api.example.com.", "https://api.example.com/", true},
		{"api.example.com", "https://api.example.com:8443/", true},
		{"api.example.com", "https://api.example.com.evil.com/", false},
		{"api.example.com", "https://evil-api.example.com/", false},
		{"api.example.com", "https://v2.api.example.com/", false},
		{"api.example.com", "https://example.com/", false},
		{"api.example.com", "https://api-example.com/", false},
		{"api.example.com", "https://user:pass@api.example.com/", true},
		{"api.example.com", "https://api.example.com@evil.com/", false},
		{"api.example.com", "https://evil.com/api.example.com", false},

		{"api.example.com:8443", "https://api.example.com:8443/", true},
		{"api.example.com:8443", "https://api.example.com/", false},
		{"api.example.com:443", "https://api.example.com/", true},
		{"api.example.com:443", "https://api.example.com:443/", true},
		{"api.example.com:", "https://api.example.com:8443/", true},
		{"localhost:80", "http://localhost/", true},
		{"localhost:80", "https://localhost/", false},
		{"localhost:443", "http://localhost/", false},

		{".example.com", "https://api.example.com/", true},
		{".example.com", "https://v2.api.example.com/", true},
		{".Example.com", "https://api.EXAMPLE.com./", true},
		{".example.com.", "https://api.example.com/", true},
		{".example.com", "https://example.com/", false},
		{".example.com", "https://badexample.com/", false},
		{".example.com", "https://.example.com/", false}, // an empty label
		{".e", "https://a.e/", true},
		{".example.com", "https://example.com.evil.com/", false},
		{".example.com:8443", "https://api.example.com:8443/", true},
		{".example.com:8443", "https://api.example.com/", false},
		{".0.0.1", "https://127.0.0.1/", false},
		{".", "https://api.example.com/", false},
		{"..", "https://api.example.com/", false},

		{"192.0.2.1", "https://192.0.2.1:8443/", true},
		{"192.0.2.1", "https://192.0.2.10/", false},
		{"[2001:db8::1]", "https://[2001:db8::1]:8443/", true},
		{"[2001:db8::1]:8443", "https://[2001:DB8::1]:8443/", true},
		{"[2001:db8::1]:8443", "https://[2001:db8::1]/", false},
		{"2001:db8::1", "https://[2001:db8::1]:8443/", true},
		{"2001:db8::1", "https://[2001:db8::2]/", false},

		{"bücher.example", "https://bücher.example/", true},
		{"bücher.example", "https://BÜcher.example/", false},
		{"kelvin.example", "https://\u212Aelvin.example/", false},

		{"", "https://api.example.com/", false},
		{":443", "https://api.example.com/", false},
		{"*", "https://api.example.com/", false},
		{"*.example.com", "https://api.example.com/", false},
		{"https://api.example.com", "https://api.example.com/", false},
		{"api.example.com/v1", "https://api.example.com/v1", false},
		{" api.example.com", "https://api.example.com/", false},
	} {
		t.Run(tc.entry+" "+tc.url, func(t *testing.T) {
			rejection := unauthorized()
			base, source := newBase(rejection), newSource("t")
			hosts := []string{"elsewhere.example.net", tc.entry}
			tr := &transport.Transport{Source: source, Base: base, AllowHosts: hosts}
			resp, err := post(t, tc.url).through(t, tr)
			require.NoError(t, err)
			assertOpen(t, rejection, resp)
			if tc.want {
				base.assertTokens(t, "t")
				source.assertCalls(t, 2, "t")
			} else {
				base.assertTokens(t, "") // a 401 without our token is not judged
				source.assertCalls(t, 0)
			}
		})
	}
}

func TestAllowHosts_URLWithoutHost(t *testing.T) {
	base := newBase(ok())
	c := get(t, urlAPI)
	c.URL = &url.URL{Scheme: "https", Path: "/"}
	_, err := c.through(t, &transport.Transport{Source: newSource("t"), Base: base, AllowHosts: []string{""}})
	require.NoError(t, err)
	base.assertTokens(t, "")
}

func TestInsecure_IsRefusedUnlessToThisMachine(t *testing.T) {
	for target, want := range map[string]bool{
		"http://localhost/":                true,
		"http://LocalHost:8080/":           false, // net/http sends it to a proxy
		"http://localhost.:8080/":          false,
		"https://LocalHost.:8080/":         true,
		"http://127.0.0.1:8080/":           true,
		"http://127.8.9.1/":                true,
		"http://[::1]:8080/":               true,
		"http://[::ffff:127.0.0.1]/":       true,
		"https://api.example.com/":         true,
		"http://api.example.com/":          false,
		"http://10.0.0.1/":                 false,
		"http://[2001:db8::1]/":            false,
		"http://localhost.example.com/":    false,
		"http://app.localhost/":            false,
		"http://127.0.0.1.example.com/":    false,
		"http://127.1/":                    false,
		"http://0.0.0.0/":                  false,
		"ftp://api.example.com/":           false,
		"http://localhost@api.example.com": false,
	} {
		t.Run(target, func(t *testing.T) {
			fine := ok()
			base, source := newBase(fine), newSource("t")
			resp, err := post(t, target).through(t, &transport.Transport{Source: source, Base: base})
			if want {
				require.NoError(t, err)
				assertOpen(t, fine, resp)
				base.assertTokens(t, "t")
				return
			}
			assert.ErrorContains(t, err, "transport: will not send a token to ")
			assert.ErrorContains(t, err, "use https, or set AllowInsecure")
			base.assertTokens(t)
			source.assertCalls(t, 0)
		})
	}
}

func TestInsecure_AllowInsecure(t *testing.T) {
	fine := ok()
	base := newBase(fine)
	tr := &transport.Transport{Source: newSource("t"), Base: base, AllowInsecure: true}
	resp, err := post(t, "http://api.example.com/").through(t, tr)
	require.NoError(t, err)
	assertOpen(t, fine, resp)
	base.assertTokens(t, "t")
}

func TestInsecure_RequestWithoutToken(t *testing.T) {
	base := newBase(ok())
	tr := &transport.Transport{Source: newSource("t"), Base: base, AllowHosts: []string{"api.example.com"}}
	_, err := get(t, "http://other.example.com/").through(t, tr)
	require.NoError(t, err)
	base.assertTokens(t, "")

	_, err = get(t, "http://api.example.com/").through(t, tr)
	require.Error(t, err)
	base.assertTokens(t, "")
}

func TestInsecure_ErrorHasNoCredentials(t *testing.T) {
	tr := &transport.Transport{Source: newSource("t"), Base: newBase()}
	_, err := get(t, "http://user:secret@api.example.com/path?key=secret").through(t, tr)
	assert.EqualError(t, err, "transport: will not send a token to http://api.example.com: use https, or set AllowInsecure")
}

// entryForm matches a host, in brackets or not, and a port. An entry with more colons is an
// IPv6 address.
var entryForm = regexp.MustCompile(`^(\[[^\[\]]*\]|[^:]*)(?::([0-9]*))?$`)

// referenceAllows is another implementation of AllowHosts.
func referenceAllows(entry string, u *url.URL) bool {
	host, port := entry, ""
	if parts := entryForm.FindStringSubmatch(entry); parts != nil {
		host, port = parts[1], parts[2]
		if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
			host = host[1 : len(host)-1]
		}
	}
	scheme := map[string]string{"https": "443", "http": "80"}
	if port != "" && port != cmp.Or(u.Port(), scheme[u.Scheme]) {
		return false
	}
	ascii := func(name string) string {
		b := []byte(strings.TrimSuffix(name, "."))
		for i, c := range b {
			if c < utf8.RuneSelf {
				b[i] = byte(unicode.ToLower(rune(c)))
			}
		}
		return string(b)
	}
	host, name := ascii(host), ascii(u.Hostname())
	if !strings.HasPrefix(host, ".") {
		return host != "" && host == name
	}
	return len(host) > 1 && len(name) > len(host) && strings.HasSuffix(name, host) && net.ParseIP(name) == nil
}

func FuzzAllowHosts(f *testing.F) {
	for _, seed := range [][2]string{
		{"api.example.com", "API.Example.COM."},
		{".example.com", "v2.api.example.com:8443"},
		{".example.com", "example.com"},
		{"api.example.com:8443", "api.example.com:8443"},
		{"[2001:db8::1]:443", "[2001:DB8::1]"},
		{"2001:db8::1", "[2001:db8::1]:1"},
		{".0.0.1", "127.0.0.1"},
		{"", ""},
		{":443", "a"},
		{"..", "a.."},
		{"a:b", "a"},
		{"k", "\u212a"},
		{"localhost", "LocalHost:80"},
	} {
		f.Add(seed[0], seed[1], false)
		f.Add(seed[0], seed[1], true)
	}
	f.Fuzz(func(t *testing.T, entry, host string, plain bool) {
		scheme := "https"
		if plain {
			scheme = "http"
		}
		u, err := url.Parse(scheme + "://user:hunter22@" + host + "/v1")
		if err != nil || u.User == nil {
			return
		}
		c := post(t, urlAPI)
		c.URL, c.Host = u, ""
		base, source := newBase(ok()), newSource("t")
		tr := &transport.Transport{Source: source, Base: base, AllowHosts: []string{entry}}
		_, err = c.through(t, tr)
		switch {
		case !referenceAllows(entry, u):
			require.NoError(t, err)
			base.assertTokens(t, "")
			source.assertCalls(t, 0)
		case err != nil:
			assert.True(t, plain)
			assert.NotContains(t, err.Error(), "hunter22")
			base.assertTokens(t)
		default:
			base.assertTokens(t, "t")
		}
	})
}

// A reverse proxy passes on the Host field, and a server goes by it.
func TestAllowHosts_TheHostFieldIsJudgedToo(t *testing.T) {
	for _, tc := range []struct {
		allow []string
		host  string
		want  string
	}{
		{[]string{"api.example.com"}, "", "t"},
		{[]string{"api.example.com"}, "api.example.com", "t"},
		{[]string{"api.example.com"}, "API.example.com:443", "t"},
		{[]string{"api.example.com"}, "attacker.example", ""},
		{[]string{"api.example.com"}, "api.example.com.attacker.example", ""},
		{[]string{"api.example.com:443"}, "api.example.com:8443", ""},
		{[]string{"api.example.com", "front.example.com"}, "front.example.com", "t"},
		{[]string{"front.example.com"}, "front.example.com", ""},
		{nil, "front.example.com", "t"}, // the caller names both hosts
	} {
		base := newBase(ok())
		c := get(t, urlAPI)
		c.Host = tc.host
		resp, err := c.through(t, &transport.Transport{Source: newSource("t"), Base: base, AllowHosts: tc.allow})
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		base.assertTokens(t, tc.want)
	}
}
