package ags

import (
	"bytes"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxMessage is the length of a message in characters.
	maxMessage = 200
	// maxScanned is how many bytes of a text are scanned for secrets. The rest is
	// dropped.
	maxScanned = 8 << 10
	// pieceLength is how many consecutive bytes of a secret reveal too much of it.
	// Gateways quote the beginnings of tokens. A name or a number that a token and
	// a harmless message have in common is shorter.
	pieceLength = 16
)

// redactor removes the secrets of a request from texts of other parties, so that
// they can be part of an error.
type redactor struct{ secrets []string }

// text returns at most 200 printable characters of s. Every secret in it, and
// every piece of one, is replaced: verbatim or as JSON, a URL, HTML or Go quote it,
// in any case. If a secret is found only after decoding, the whole text is
// replaced.
func (r redactor) text(s string) string {
	s = printable(s)
	tooLong := len(s) > maxScanned
	if tooLong {
		s = s[:maxScanned]
	}
	folded := foldCase(s)
	secret := make([]bool, len(s))
	longest := 0
	for _, form := range r.forms() {
		markSecret(secret, folded, foldCase(form))
		longest = max(longest, len(form))
	}
	keep := len(s)
	if tooLong {
		keep = max(0, keep-longest) // the end may be the beginning of a secret
	}
	s = replaceMarked(s[:keep], secret)
	if r.containsEncoded(s) {
		return redacted
	}
	return shorten(s)
}

// forms returns the spellings of the secrets to look for.
func (r redactor) forms() []string {
	var forms []string
	for _, secret := range r.secrets {
		query, path, quoted := url.QueryEscape(secret), url.PathEscape(secret), jsonText(secret, false)
		forms = append(forms, secret, query, strings.ReplaceAll(query, "+", "%20"), path,
			quoted, strings.ReplaceAll(quoted, "/", `\/`), jsonText(secret, true),
			unquoted(strconv.Quote(secret)), unquoted(strconv.QuoteToASCII(secret)), html.EscapeString(secret))
	}
	for i := range forms {
		forms[i] = printable(forms[i]) // as the text is
	}
	forms = slices.DeleteFunc(forms, func(form string) bool { return strings.TrimSpace(form) == "" })
	slices.Sort(forms)
	return slices.Compact(forms)
}

// markSecret sets marks for the bytes of s that belong to secret or a piece of it.
// It marks instead of replacing, so that overlapping secrets are all found.
//
// A short secret is found only as a word. Inside a word it occurs by chance, like
// "en" in "credentials", and a replacement there would reveal it.
func markSecret(marks []bool, s, secret string) {
	n := min(len(secret), pieceLength)
	pieces := make(map[string]bool, len(secret)-n+1)
	for i := range len(secret) - n + 1 {
		pieces[secret[i:i+n]] = true
	}
	for i := range max(0, len(s)-n+1) {
		if pieces[s[i:i+n]] && (len(secret) >= minSubstringSecret || isWord(s, i, i+n)) {
			for j := i; j < i+n; j++ {
				marks[j] = true
			}
		}
	}
}

// isWord reports whether no letter or digit is next to s[from:to].
func isWord(s string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:from])
	after, _ := utf8.DecodeRuneInString(s[to:])
	return !unicode.IsLetter(before) && !unicode.IsDigit(before) && !unicode.IsLetter(after) && !unicode.IsDigit(after)
}

// replaceMarked returns s with each run of marked bytes replaced.
func replaceMarked(s string, marks []bool) string {
	var b strings.Builder
	for i := range len(s) {
		switch {
		case !marks[i]:
			b.WriteByte(s[i])
		case i == 0 || !marks[i-1]:
			b.WriteString(redacted)
		}
	}
	return strings.ToValidUTF8(b.String(), "")
}

// printable returns s with white space replaced by spaces, and without characters
// that do not print.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return -1
		default:
			return r
		}
	}, s)
}

// shorten returns the first maxMessage characters of s.
func shorten(s string) string {
	s = strings.TrimSpace(s)
	n := 0
	for i := range s {
		if n == maxMessage {
			return strings.TrimSpace(s[:i])
		}
		n++
	}
	return s
}

// jsonText returns s as in a JSON string, without the quotes.
func jsonText(s string, escapeHTML bool) string {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(escapeHTML)
	_ = enc.Encode(s) // never fails for a string
	return unquoted(strings.TrimSuffix(buf.String(), "\n"))
}

func unquoted(s string) string { return s[1 : len(s)-1] }
