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
	// messageLimit is how many characters are kept of what the gateway says.
	messageLimit = 200
	// scrubLimit is how many bytes of a text are looked at for those. The rest is
	// never seen.
	scrubLimit = 8 << 10
	// pieceLength is how many bytes of a secret in a row give too much of it
	// away. Gateways quote the beginnings of tokens; what a token and an honest
	// message have in common by chance, a name or a number, is shorter.
	pieceLength = 16
)

// scrubber cleans what others say about one request, so that it can be part of an
// error: of the request's secrets, and of characters that do not print.
type scrubber struct{ secrets []string }

// text returns at most 200 printable characters of s, in which every secret,
// and every longer piece of one, is replaced: as it is, and as JSON, a URL, HTML
// or Go's own quoting would write it, in upper and lower case. Where one is found only
// after the text was decoded, in one of these ways or several, from base64 or from
// hexadecimal digits, all of the text is replaced.
func (c scrubber) text(s string) string {
	s = printable(s)
	cut := len(s) > scrubLimit
	if cut {
		s = s[:scrubLimit]
	}
	folded := foldCase(s)
	hidden := make([]bool, len(s))
	longest := 0
	for _, form := range c.forms() {
		mask(hidden, folded, foldCase(form))
		longest = max(longest, len(form))
	}
	keep := len(s)
	if cut {
		// What stands at the cut may be the beginning of a secret.
		keep = max(0, keep-longest)
	}
	s = replaceMasked(s[:keep], hidden)
	if c.isEncodedIn(s) {
		return redacted
	}
	return shorten(s)
}

// forms returns the spellings of the secrets to look for.
func (c scrubber) forms() []string {
	var forms []string
	for _, secret := range c.secrets {
		query, path, quoted := url.QueryEscape(secret), url.PathEscape(secret), jsonText(secret, false)
		forms = append(forms, secret, query, path,
			quoted, strings.ReplaceAll(quoted, "/", `\/`), jsonText(secret, true),
			unquoted(strconv.Quote(secret)), unquoted(strconv.QuoteToASCII(secret)), html.EscapeString(secret))
	}
	for i := range forms {
		// The text was made printable before they are looked for in it.
		forms[i] = printable(forms[i])
	}
	forms = slices.DeleteFunc(forms, func(form string) bool { return strings.TrimSpace(form) == "" })
	slices.Sort(forms)
	return slices.Compact(forms)
}

// mask marks the bytes of s that belong to secret or to a longer piece of it.
// Marks, rather than replacements, so that secrets that overlap are all found.
//
// A short secret is hidden where it stands as a word. Within words it stands by
// chance, as "en" does in "credentials", and a hole there would tell what it is.
func mask(hidden []bool, s, secret string) {
	n := min(len(secret), pieceLength)
	pieces := make(map[string]bool, len(secret)-n+1)
	for i := range len(secret) - n + 1 {
		pieces[secret[i:i+n]] = true
	}
	for i := range max(0, len(s)-n+1) {
		if pieces[s[i:i+n]] && (len(secret) >= secretLength || isWord(s, i, i+n)) {
			for j := i; j < i+n; j++ {
				hidden[j] = true
			}
		}
	}
}

// isWord reports whether s[from:to] has no letter and no digit beside it.
func isWord(s string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:from])
	after, _ := utf8.DecodeRuneInString(s[to:])
	return !unicode.IsLetter(before) && !unicode.IsDigit(before) && !unicode.IsLetter(after) && !unicode.IsDigit(after)
}

// replaceMasked returns s with each row of hidden bytes replaced.
func replaceMasked(s string, hidden []bool) string {
	var b strings.Builder
	for i := range len(s) {
		switch {
		case !hidden[i]:
			b.WriteByte(s[i])
		case i == 0 || !hidden[i-1]:
			b.WriteString(redacted)
		}
	}
	return strings.ToValidUTF8(b.String(), "")
}

// printable returns s with white space made spaces, and without what does not
// print.
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

// shorten returns the first characters of s.
func shorten(s string) string {
	s = strings.TrimSpace(s)
	n := 0
	for i := range s {
		if n == messageLimit {
			return strings.TrimSpace(s[:i])
		}
		n++
	}
	return s
}

// jsonText returns s as JSON writes it between the quotes.
func jsonText(s string, escapeHTML bool) string {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(escapeHTML)
	_ = enc.Encode(s) // a string always has a JSON form
	return unquoted(strings.TrimSuffix(buf.String(), "\n"))
}

func unquoted(s string) string { return s[1 : len(s)-1] }
