package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
)

// newCookie returns a cookie for a session that begins: 256 random bits, and a signature,
// so that a cookie that somebody has made up costs neither memory nor a look at the store.
func (b *backend) newCookie() *http.Cookie {
	id := make([]byte, 32)
	_, _ = rand.Read(id) // it never fails
	text := base64.RawURLEncoding.EncodeToString(id)
	return b.cookie("session", text+"."+b.sign(text))
}

// cookie returns a cookie that scripts cannot read, and that requests of other sites do not
// carry, but for links. With no value, it removes the cookie.
func (b *backend) cookie(name, value string) *http.Cookie {
	c := &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: b.secure}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// cookieValue returns the value of a request's cookie, which is empty if there is none.
func cookieValue(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// key returns the key of the request's session, and whether the request has one.
func (b *backend) key(r *http.Request) (key string, ok bool) {
	value := cookieValue(r, "session")
	id, signature, _ := strings.Cut(value, ".")
	if !hmac.Equal([]byte(signature), []byte(b.sign(id))) {
		return "", false
	}
	return keyOf(value), true
}

// keyOf returns the key of the session of a cookie. It is a hash, since a store shows its
// keys, and whoever reads them must not get cookies.
func keyOf(cookie string) string {
	sum := sha256.Sum256([]byte(cookie))
	return hex.EncodeToString(sum[:])
}

func (b *backend) sign(text string) string {
	mac := hmac.New(sha256.New, b.cookieKey)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
