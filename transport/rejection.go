package transport

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode"
)

// The codes with which a platform API says that it does not like the token.
const (
	codeToken = "99999:403"
	code1024  = "1024"
	code1025  = "1025"
)

// rejected reports whether resp, the answer to a request that we put a token
// into, rejects that token. What it reads of the body it gives back. cut reports
// whether reading failed.
func (t *Transport) rejected(resp *http.Response) (rejected, cut bool) {
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols:
		return false, false // the body is a connection now, and the caller's
	case t.IsRejection != nil:
		return peekAt(resp, t.IsRejection)
	case resp.StatusCode == http.StatusUnauthorized:
		return true, false
	case resp.StatusCode == http.StatusForbidden && mayHaveJSON(resp, true):
		return peekAt(resp, isRejection)
	case resp.StatusCode == http.StatusOK && t.LegacyRejections:
		if resp.ContentLength > 0 && resp.ContentLength <= peekLimit && mayHaveJSON(resp, false) {
			return peekAt(resp, isLegacyRejection)
		}
	}
	return false, false
}

// mayHaveJSON reports whether resp has a body that can be read as JSON. With loose set
// that need not be said: some front doors send the platform's JSON as plain text, or
// without a type.
func mayHaveJSON(resp *http.Response, loose bool) bool {
	if resp.Request.Method == http.MethodHead || !isDecodable(resp.Header.Get("Content-Encoding")) {
		return false
	}
	contentType := resp.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case loose && strings.TrimSpace(contentType) == "":
		return true
	case err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter):
		return false
	default:
		return media == "application/json" || strings.HasSuffix(media, "+json") || loose && media == "text/plain"
	}
}

// isRejection is the rule for a 403.
func isRejection(resp *http.Response) bool {
	switch rejectionCode(resp) {
	case codeToken, code1024, code1025:
		return true
	default:
		return false
	}
}

// isLegacyRejection is the rule for a 200. It takes one code only: in an answer
// that may just as well be a good one, the others could mean anything, and the
// request would be carried out twice.
func isLegacyRejection(resp *http.Response) bool {
	return rejectionCode(resp) == codeToken
}

// rejectionCode returns the code of a JSON object: that of the first of resultCode,
// errorCode and code that it has, and that is a string or a number; without a letter
// before it. It reads no further than the end of the object, and makes do with what it
// has when the object is cut off.
func rejectionCode(resp *http.Response) string {
	body, err := decoded(resp)
	if err != nil {
		return ""
	}
	dec := json.NewDecoder(withoutByteOrderMark(cutOff{body}))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return ""
	}
	var result, errorCode, code string
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			break
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			break
		}
		switch name {
		case "resultCode":
			result = scalar(value)
		case "errorCode":
			errorCode = scalar(value)
		case "code":
			code = scalar(value)
		}
	}
	return withoutLetter(cmp.Or(result, errorCode, code))
}

// withoutLetter returns a code as the platform writes it, from one as some front ends
// do: N99999:403.
func withoutLetter(code string) string {
	if len(code) > 1 && unicode.IsLetter(rune(code[0])) && unicode.IsDigit(rune(code[1])) {
		return code[1:]
	}
	return code
}

// scalar returns the text of a JSON string or number, and "" for all else.
func scalar(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	var number json.Number
	if json.Unmarshal(value, &number) == nil {
		return number.String()
	}
	return ""
}

// cutOff is a reader whose end is an error: a JSON object ends before it, or is
// cut off, and then a number at the end may not be a whole one.
type cutOff struct{ io.Reader }

func (c cutOff) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
