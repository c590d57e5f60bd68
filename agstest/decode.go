package agstest

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// body is what a call of the gateway says in JSON, once it was found well formed.
type body struct {
	parameters []parameter
	claim      deviceClaim
}

type parameter struct{ name, value string }

// parameter returns the value of the first parameter of this name, in whatever
// case.
func (b body) parameter(name string) (string, bool) {
	i := slices.IndexFunc(b.parameters, func(p parameter) bool { return strings.EqualFold(p.name, name) })
	if i < 0 {
		return "", false
	}
	return b.parameters[i].value, true
}

// checkHeaders returns what a request lacks of the headers that every call has.
func (s *Server) checkHeaders(x *exchange) *refusal {
	mandatory := []string{"x-auth-service-id", "nv-tenant-id", "x-correlation-id"}
	if x.op == Discovery {
		mandatory = mandatory[1:]
	}
	for _, name := range mandatory {
		if x.header.Get(name) == "" {
			return malformed("header " + name + " missing")
		}
	}
	if want := s.cfg.TenantID; want != "" && x.header.Get("nv-tenant-id") != want {
		return notFound("no such tenant")
	}
	services := s.cfg.AuthServiceIDs
	if x.op != Discovery && len(services) > 0 && !slices.Contains(services, x.header.Get("x-auth-service-id")) {
		return notFound("no such service")
	}
	return nil
}

// decodeBody reads the body of a POST. Field names are taken exactly as they are
// documented; fields not documented are let be.
func decodeBody(x *exchange, parametersOptional bool) (body, *refusal) {
	mediaType, _, err := mime.ParseMediaType(x.header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return body{}, malformed("Content-Type is not application/json")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(x.body, &fields); err != nil || fields == nil {
		return body{}, malformed("body is not a JSON object")
	}
	var b body
	raw, ok := fields["parameters"]
	if !ok && !parametersOptional {
		return body{}, malformed("parameters missing")
	}
	if ok {
		if b.parameters, ok = decodeParameters(raw); !ok {
			return body{}, malformed("parameters are not an array of names and values")
		}
	}
	var no *refusal
	b.claim, no = decodeClaim(fields["clientId"], fields["deviceInformation"])
	return b, no
}

func decodeParameters(raw json.RawMessage) ([]parameter, bool) {
	var pairs []map[string]any
	if err := json.Unmarshal(raw, &pairs); err != nil || pairs == nil {
		return nil, false
	}
	parameters := make([]parameter, 0, len(pairs))
	for _, p := range pairs {
		name, hasName := p["name"].(string)
		value, hasValue := p["value"].(string)
		if !hasName || !hasValue || name == "" {
			return nil, false
		}
		parameters = append(parameters, parameter{name, value})
	}
	return parameters, true
}

// decodeClaim reads the two fields of which a sign-on has one. Neither is no
// mistake here: not every call has them.
func decodeClaim(clientID, info json.RawMessage) (deviceClaim, *refusal) {
	switch {
	case clientID != nil && info != nil:
		return deviceClaim{}, malformed("both clientId and deviceInformation")
	case clientID != nil:
		var claim deviceClaim
		if err := json.Unmarshal(clientID, &claim.clientID); err != nil || claim.clientID == "" {
			return deviceClaim{}, malformed("clientId is not a text")
		}
		return claim, nil
	case info != nil:
		if !bytes.HasPrefix(info, []byte("{")) {
			return deviceClaim{}, malformed("deviceInformation is not an object")
		}
		return deviceClaim{isNew: true}, nil
	default:
		return deviceClaim{}, nil
	}
}

// credential returns the token of an Authorization header, sent as
// "Bearer <token>" or bare, and which of the two it was. It is empty where there
// is none.
func credential(h http.Header) (token string, bearer bool) {
	value := strings.TrimSpace(h.Get("Authorization"))
	scheme, rest, found := strings.Cut(value, " ")
	switch {
	case found && strings.EqualFold(scheme, "Bearer"):
		return strings.TrimSpace(rest), true
	case found:
		return "", false
	default:
		return value, false
	}
}
