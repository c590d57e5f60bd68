package agstest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"
)

// The first kid and jti that are issued; each is counted up from there.
const (
	firstKeyID   = 259629
	firstTokenID = 4789023423714089478
)

// tokenKind is what a token is for: the typ of its claims.
type tokenKind string

const (
	accessToken  tokenKind = "DevAuthN"
	refreshToken tokenKind = "RefreshAuthN"
)

// signingKey is what tokens are signed with.
type signingKey struct {
	id     int
	secret []byte
}

func newSigningKey(id int) signingKey {
	return signingKey{id: id, secret: []byte(rand.Text())}
}

// sign returns a JWT with these claims.
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

// claims are those of a token of this kind, less the quirks.
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
		"fixed_exp":        q.numericDate(s.fixedAt),
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
		// Two tokens of one second would otherwise be the same.
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

// mustJSON is for values that always have a JSON form.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("agstest: " + err.Error())
	}
	return b
}
