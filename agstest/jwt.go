package agstest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"time"
)

// The first kid and jti. Later ones count up from there.
const (
	firstKeyID   = 259629
	firstTokenID = 4789023423714089478
)

// tokenKind is the typ claim of a token.
type tokenKind string

const (
	accessToken  tokenKind = "DevAuthN"
	refreshToken tokenKind = "RefreshAuthN"
)

// signingKey is the key that signs tokens.
type signingKey struct {
	id     int
	secret []byte
}

func newSigningKey(id int) signingKey {
	return signingKey{id: id, secret: []byte(rand.Text())}
}

// sign returns a signed JWT.
func (k signingKey) sign(claims map[string]any) string {
	header := `{"kid":"` + strconv.Itoa(k.id) + `","alg":"HS256","typ":"JWT"}`
	return signHS256(k.secret, []byte(header), mustJSON(claims))
}

// signHS256 returns the compact serialization of RFC 7515, section 7.1.
func signHS256(secret, header, payload []byte) string {
	b64 := base64.RawURLEncoding
	signed := b64.EncodeToString(header) + "." + b64.EncodeToString(payload)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	return signed + "." + b64.EncodeToString(mac.Sum(nil))
}

// claims returns the claims of a token.
func (q Quirks) claims(kind tokenKind, s *session, tokenID string, expiresAt time.Time) map[string]any {
	claims := map[string]any{
		"typ":              string(kind),
		"ver":              "1.0",
		"jti":              tokenID,
		"tenantId":         s.tenant,
		"accountId":        s.account.ID,
		"userId":           s.account.ID,
		"deviceId":         s.device.id,
		"accountProfileId": "DEFAULT",
		"exp":              q.numericDate(expiresAt),
		"fixed_exp":        q.numericDate(s.fixedExpiresAt),
		"sessionControl":   map[string]any{"maxSessions": 3, "sessionControlEnabled": true},
	}
	if kind == accessToken {
		claims["filteringInformation"] = map[string]any{}
		claims["blockingInformation"] = map[string]any{}
		claims["geoBlockExempt"] = false
		claims["parentalControl"] = nil
		claims["playoutDeviceClass"] = nil
		claims["onNetwork"] = true
		claims["billingCountryCode"] = "EmptyCountry"
	}
	for _, name := range q.OmitClaims {
		delete(claims, name)
	}
	if _, ok := claims["jti"]; !ok {
		// Two tokens issued in the same second would otherwise be equal.
		claims["nonce"] = rand.Text()
	}
	return claims
}

func (q Quirks) numericDate(t time.Time) int64 {
	if q.MillisecondClaims {
		return t.UnixMilli()
	}
	return t.Unix()
}
