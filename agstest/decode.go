package agstest

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// body is the decoded body of a gateway request.
type body struct {
	parameters []parameter
	device     deviceClaim
}

type parameter struct{ name, value string }

// parameter returns the value of the first parameter with this name, ignoring case.
func (b body) parameter(name string) (string, bool) {
	i := slices.IndexFunc(b.parameters, func(p parameter) bool { return strings.EqualFold(p.name, name) })
	if i < 0 {
		return "", false
	}
	return b.parameters[i].value, true
}

// deviceClaim names the device of a sign-on: a registered one by its clientID, or a
// new one, which with a description may be registered.
type deviceClaim struct {
	clientID    string
	isNew       bool
	description string
}

// isZero reports whether the request named no device.
func (c deviceClaim) isZero() bool { return c == deviceClaim{} }

// checkHeaders checks the headers that every gateway request must have.
func (s *Server) checkHeaders(x *exchange) *refusal {
	mandatory := []string{"x-auth-service-id", "nv-tenant-id", "x-correlation-id"}
	if x.op == Discovery {
		mandatory = mandatory[1:]
	}
	for _, name := range mandatory {
		if x.header.Get(name) == "" {
			return badRequest("header " + name + " missing")
		}
	}
	if refused := s.checkTenant(x.header, "nv-tenant-id"); refused != nil {
		return refused
	}
	services := s.cfg.AuthServiceIDs
	if x.op != Discovery && len(services) > 0 && !slices.Contains(services, x.header.Get("x-auth-service-id")) {
		return notFound("no such service")
	}
	return nil
}

// decodeBody decodes the body of a POST. Field names are case-sensitive, and
// unknown fields are ignored.
func decodeBody(x *exchange, parametersOptional bool) (body, *refusal) {
	mediaType, _, err := mime.ParseMediaType(x.header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return body{}, badRequest("Content-Type is not application/json")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(x.body, &fields); err != nil || fields == nil {
		return body{}, badRequest("body is not a JSON object")
	}
	var b body
	raw, ok := fields["parameters"]
	if !ok && !parametersOptional {
		return body{}, badRequest("parameters missing")
	}
	if ok {
		if b.parameters, ok = decodeParameters(raw); !ok {
			return body{}, badRequest("parameters are not an array of names and values")
		}
	}
	var refused *refusal
	b.device, refused = decodeDevice(fields["clientId"], fields["deviceInformation"])
	return b, refused
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

// decodeDevice decodes the two fields that name a device. A request may have at
// most one of them; the sign-ons that need one check that themselves.
func decodeDevice(clientID, info json.RawMessage) (deviceClaim, *refusal) {
	switch {
	case clientID != nil && info != nil:
		return deviceClaim{}, badRequest("both clientId and deviceInformation")
	case clientID != nil:
		var c deviceClaim
		if err := json.Unmarshal(clientID, &c.clientID); err != nil || c.clientID == "" {
			return deviceClaim{}, badRequest("clientId is not a non-empty string")
		}
		return c, nil
	case info != nil:
		if !bytes.HasPrefix(info, []byte("{")) {
			return deviceClaim{}, badRequest("deviceInformation is not an object")
		}
		return deviceClaim{isNew: true}, nil
	default:
		return deviceClaim{}, nil
	}
}

// credential returns the token of the Authorization header, which may be
// "Bearer <token>" or the token alone, and reports whether it had the scheme. The
// token is empty if there is none.
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
