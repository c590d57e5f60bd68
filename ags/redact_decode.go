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
	// decodeDepth is how many encodings, one within the other, are taken off a text.
	decodeDepth = 3
	// decodeLimit is how many texts are looked at in all.
	decodeLimit = 256
	// binaryLength is from how many characters on a secret is looked for in what was
	// decoded from base64 or hexadecimal digits. A shorter one is there by chance.
	binaryLength = 4
)

// isEncodedIn reports whether a secret is in s once s is decoded. Those that are in s as
// it is must have been replaced.
func (c scrubber) isEncodedIn(s string) bool {
	seen := map[string]bool{s: true}
	texts := []string{s}
	for range decodeDepth {
		var next []string
		for _, text := range texts {
			for _, decoded := range decodings(text) {
				if seen[decoded] || len(seen) > decodeLimit {
					continue
				}
				seen[decoded] = true
				if c.isIn(decoded) {
					return true
				}
				next = append(next, decoded)
			}
		}
		texts = next
	}
	return false
}

// isIn reports whether a secret, or a longer piece of one, is in a decoded text.
func (c scrubber) isIn(decoded string) bool {
	isText := utf8.ValidString(decoded)
	decoded = foldCase(printable(decoded))
	for _, secret := range c.secrets {
		secret = foldCase(printable(secret))
		if strings.TrimSpace(secret) == "" || len(secret) < binaryLength && !isText {
			continue
		}
		marks := make([]bool, len(decoded))
		mask(marks, decoded, secret)
		if slices.Contains(marks, true) {
			return true
		}
	}
	return false
}

// decodings returns what s is when each of the usual encodings is taken off it.
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

// unescapePercent decodes what can be decoded of a text in a URL.
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

// unescapeBackslash decodes what can be decoded of a text between the quotes of JSON,
// of JavaScript or of Go.
func unescapeBackslash(s string) string {
	var b strings.Builder
	for s != "" {
		r, _, rest, err := strconv.UnquoteChar(s, 0)
		switch {
		case err == nil:
			b.WriteRune(r)
			s = rest
		case len(s) > 1 && s[0] == '\\': // such as \/, \' and \", which JSON and others know
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

// decodeBase64 decodes a word of base64, in either alphabet, from each of the
// characters that a group of four can begin with.
func decodeBase64(word string) []string {
	word = strings.NewReplacer("-", "+", "_", "/").Replace(word)
	var all []string
	for from := range min(4, len(word)) {
		part := word[from:]
		if len(part)%4 == 1 {
			part = part[:len(part)-1]
		}
		if decoded, err := base64.RawStdEncoding.DecodeString(part); err == nil && len(decoded) >= binaryLength {
			all = append(all, string(decoded))
		}
	}
	return all
}

// decodeHex decodes a word of hexadecimal digits, from each of the digits that an octet
// can begin with.
func decodeHex(word string) []string {
	var all []string
	for from := range min(2, len(word)) {
		part := word[from:]
		part = part[:len(part)/2*2]
		if decoded, err := hex.DecodeString(part); err == nil && len(decoded) >= binaryLength {
			all = append(all, string(decoded))
		}
	}
	return all
}

// foldCase returns s in lower case, each character in as many bytes as before.
func foldCase(s string) string {
	return strings.Map(func(r rune) rune {
		if lower := unicode.ToLower(r); utf8.RuneLen(lower) == utf8.RuneLen(r) {
			return lower
		}
		return r
	}, s)
}
