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

// The codes with which a platform API rejects a token. The first is in the
// platform's documentation, the others are seen in public clients.
const (
	codeTokenRejected   = "99999:403"
	codeTokenExpired    = "1024"
	codeTokenExpiredAlt = "1025"
)

// isRejected reports whether resp, the response to a request with our token,
// rejects that token. What it reads of the body is restored. readFailed reports
// whether reading the body failed.
func (t *Transport) isRejected(resp *http.Response) (rejected, readFailed bool) {
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols:
		return false, false // the body is a connection
	case t.IsRejection != nil:
		return peekAt(resp, t.IsRejection)
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return peekAt(resp, isRejectedByStatus)
	case resp.StatusCode == http.StatusOK && t.LegacyRejections:
		if resp.ContentLength > 0 && resp.ContentLength <= maxPeek && mayBeJSON(resp, false) {
			return peekAt(resp, isLegacyRejection)
		}
	}
	return false, false
}

// isRejectedByStatus judges a response by the rules for statuses other than 200. It may
// read the body.
func isRejectedByStatus(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		return true
	case http.StatusForbidden:
		return mayBeJSON(resp, true) && isRejection(resp)
	default:
		return false
	}
}

// mayBeJSON reports whether resp has a body that can be read as JSON. If lenient is
// set, the Content-Type may also be text/plain or missing, because some front ends
// send the platform's JSON like that.
func mayBeJSON(resp *http.Response, lenient bool) bool {
	if resp.Request != nil && resp.Request.Method == http.MethodHead || !canDecode(resp.Header.Get("Content-Encoding")) {
		return false
	}
	contentType := resp.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case lenient && strings.TrimSpace(contentType) == "":
		return true
	case err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter):
		return false
	default:
		return media == "application/json" || strings.HasSuffix(media, "+json") || lenient && media == "text/plain"
	}
}

// isRejection judges a 403.
func isRejection(resp *http.Response) bool { return isRejectionCode(rejectionCode(resp)) }

func isRejectionCode(code string) bool {
	switch code {
	case codeTokenRejected, codeTokenExpired, codeTokenExpiredAlt:
		return true
	default:
		return false
	}
}

// isLegacyRejection judges a 200. It accepts one code only: in a successful
// response the others may mean anything, and the request would be sent twice.
func isLegacyRejection(resp *http.Response) bool {
	return rejectionCode(resp) == codeTokenRejected
}

// rejectionCode returns the code in the JSON object of resp: the first of
// resultCode, errorCode and code that is a string or a number, without a letter
// before it. It reads no further than the end of the object. In a truncated object
// it uses the complete members.
func rejectionCode(resp *http.Response) string {
	body, err := decodeBody(resp)
	if err != nil {
		return ""
	}
	dec := json.NewDecoder(skipByteOrderMark(unexpectedEOFReader{body}))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return ""
	}
	var resultCode, errorCode, code string
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
			resultCode = scalar(value)
		case "errorCode":
			errorCode = scalar(value)
		case "code":
			code = scalar(value)
		}
	}
	return withoutLetter(cmp.Or(resultCode, errorCode, code))
}

// withoutLetter removes the letter that some front ends put before a code, as in
// N99999:403.
func withoutLetter(code string) string {
	if len(code) > 1 && unicode.IsLetter(rune(code[0])) && unicode.IsDigit(rune(code[1])) {
		return code[1:]
	}
	return code
}

// scalar returns the text of a JSON string or number, "" for any other value.
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

// unexpectedEOFReader returns io.ErrUnexpectedEOF instead of io.EOF, so that the
// decoder does not accept a truncated number at the end.
type unexpectedEOFReader struct{ io.Reader }

// Read implements [io.Reader].
func (r unexpectedEOFReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
