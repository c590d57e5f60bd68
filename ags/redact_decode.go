package ags

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxEncodings is how many nested encodings are decoded.
	maxEncodings = 3
	// maxDecoded is how many decoded texts are examined.
	maxDecoded = 256
	// minBinary is the minimum length of a secret to look for in decoded base64 or
	// hexadecimal digits, where a shorter one occurs by chance.
	minBinary = 4
)

// containsEncoded reports whether s contains an encoded secret. Verbatim secrets
// must have been replaced before.
func (r redactor) containsEncoded(s string) bool {
	seen := map[string]bool{s: true}
	texts := []string{s}
	for range maxEncodings {
		var next []string
		for _, text := range texts {
			for _, decoded := range decodings(text) {
				if seen[decoded] || len(seen) > maxDecoded {
					continue
				}
				seen[decoded] = true
				if r.contains(decoded) {
					return true
				}
				next = append(next, decoded)
			}
		}
		texts = next
	}
	return false
}

// contains reports whether a decoded text contains a secret or a piece of one.
func (r redactor) contains(decoded string) bool {
	isText := utf8.ValidString(decoded)
	decoded = foldCase(printable(decoded))
	for _, secret := range r.secrets {
		secret = foldCase(printable(secret))
		if strings.TrimSpace(secret) == "" || len(secret) < minBinary && !isText {
			continue
		}
		marks := make([]bool, len(decoded))
		markSecret(marks, decoded, secret)
		if slices.Contains(marks, true) {
			return true
		}
	}
	return false
}

// decodings returns the results of decoding s with each of the usual encodings.
func decodings(s string) []string {
	all := []string{
		html.UnescapeString(s), unescapePercent(s), unescapePercent(strings.ReplaceAll(s, "+", " ")), unescapeBackslash(s),
	}
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return !isBase64(r) }) {
		all = append(all, decodeBase64(word)...)
	}
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return !unicode.Is(unicode.ASCII_Hex_Digit, r) }) {
		all = append(all, decodeHex(word)...)
	}
	return slices.DeleteFunc(all, func(decoded string) bool { return decoded == s })
}

// unescapePercent decodes the valid percent-encodings in s.
func unescapePercent(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if octet, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(octet))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// unescapeBackslash decodes the valid escape sequences in s, as in a string of JSON,
// JavaScript or Go.
func unescapeBackslash(s string) string {
	var b strings.Builder
	for s != "" {
		r, _, rest, err := strconv.UnquoteChar(s, 0)
		switch {
		case err == nil:
			b.WriteRune(r)
			s = rest
		case len(s) > 1 && s[0] == '\\': // such as \/, which Go does not have
			b.WriteByte(s[1])
			s = s[2:]
		default:
			b.WriteByte(s[0])
			s = s[1:]
		}
	}
	return b.String()
}

func isBase64(r rune) bool {
	return r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)) || strings.ContainsRune("+/-_", r)
}

// decodeBase64 decodes a word of base64 in either alphabet. It starts at each of the
// first four characters, because other characters may precede the encoded text.
func decodeBase64(word string) []string {
	word = strings.NewReplacer("-", "+", "_", "/").Replace(word)
	var all []string
	for from := range min(4, len(word)) {
		part := word[from:]
		if len(part)%4 == 1 {
			part = part[:len(part)-1]
		}
		if decoded, err := base64.RawStdEncoding.DecodeString(part); err == nil && len(decoded) >= minBinary {
			all = append(all, string(decoded))
		}
	}
	return all
}

// decodeHex decodes a word of hexadecimal digits, starting at each of the first two.
func decodeHex(word string) []string {
	var all []string
	for from := range min(2, len(word)) {
		part := word[from:]
		part = part[:len(part)/2*2]
		if decoded, err := hex.DecodeString(part); err == nil && len(decoded) >= minBinary {
			all = append(all, string(decoded))
		}
	}
	return all
}

// foldCase returns s in lower case, except for characters whose length in bytes
// would change.
func foldCase(s string) string {
	return strings.Map(func(r rune) rune {
		if lower := unicode.ToLower(r); utf8.RuneLen(lower) == utf8.RuneLen(r) {
			return lower
		}
		return r
	}, s)
}
