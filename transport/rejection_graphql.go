package transport

import (
	"encoding/json"
	"net/http"
	"slices"
)

// RejectionGraphQL is a [Transport.IsRejection] for GraphQL APIs. A rejection is a JSON
// response of at most 4 KiB, without data, and with an error whose extensions.code is
// UNAUTHENTICATED or one of the codes with which the platform rejects a token; or a 401 or
// 403 that is a rejection by the rules of the package documentation. A response with data
// is not a rejection, because the operation may have had an effect.
func RejectionGraphQL(resp *http.Response) bool {
	switch {
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return isRejectedByStatus(resp)
	case !mayBeJSON(resp, false):
		return false
	}
	body, err := decodeBody(resp)
	if err != nil {
		return false
	}
	var answer struct {
		Data   any
		Errors []graphQLError
	}
	err = json.NewDecoder(skipByteOrderMark(unexpectedEOFReader{body})).Decode(&answer)
	return err == nil && answer.Data == nil && slices.ContainsFunc(answer.Errors, graphQLError.rejectsToken)
}

// graphQLError is an error in a GraphQL response.
type graphQLError struct {
	Extensions struct{ Code json.RawMessage }
}

func (e graphQLError) rejectsToken() bool {
	code := withoutLetter(scalar(e.Extensions.Code))
	return code == "UNAUTHENTICATED" || isRejectionCode(code)
}
