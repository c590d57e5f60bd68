package ags

import (
	"encoding/json"
	"net/http"
)

// Discovery lists the sign-on services of a gateway.
type Discovery struct {
	Services []Service
}

// Service is one sign-on service.
type Service struct {
	// AuthServiceName is the value for [Config.AuthServiceID].
	AuthServiceName string
	// DisplayAttributes are for display, such as "name" and "logo". A value that
	// is not a string is given as JSON.
	DisplayAttributes map[string]string
	// Endpoints are the calls that take parameters.
	Endpoints []Endpoint
}

// Endpoint describes a call of a service.
type Endpoint struct {
	// Name is the name of the call, such as "SIGNON", and Path its path, such as
	// "/signOn".
	Name, Path string
	// ParameterProperties are the parameters of the call.
	ParameterProperties []ParameterProperty
}

// ParameterProperty describes a [Parameter].
type ParameterProperty struct {
	// Name is the parameter's name.
	Name string
	// Mandatory reports whether the parameter is required.
	Mandatory bool
	// IsPassword reports whether to read the value without echo.
	IsPassword bool
}

func readDiscovery(r *response) (*Discovery, error) {
	if r.status != http.StatusOK {
		return nil, r.unexpectedStatus()
	}
	o, err := r.object()
	if err != nil {
		return nil, err
	}
	if !o.has("availableServices") {
		return nil, malformed("the response has no availableServices")
	}
	services, err := readList(o, "availableServices", readService)
	if err != nil {
		return nil, err
	}
	return &Discovery{Services: services}, nil
}

func readService(o object) (s Service, err error) {
	if s.AuthServiceName, err = o.text("authServiceName"); err != nil {
		return Service{}, err
	}
	if o.has("displayAttributes") {
		attributes, err := decodeObject(o["displayAttributes"])
		if err != nil {
			return Service{}, err
		}
		s.DisplayAttributes = make(map[string]string, len(attributes))
		for name, raw := range attributes {
			var text string
			if json.Unmarshal(raw, &text) != nil {
				text = string(raw)
			}
			s.DisplayAttributes[name] = text
		}
	}
	s.Endpoints, err = readList(o, "endpoints", readEndpoint)
	return s, err
}

func readEndpoint(o object) (e Endpoint, err error) {
	if e.Name, err = o.text("name"); err != nil {
		return Endpoint{}, err
	}
	if e.Path, err = o.text("path"); err != nil {
		return Endpoint{}, err
	}
	e.ParameterProperties, err = readList(o, "parameterProperties", readParameterProperty)
	return e, err
}

func readParameterProperty(o object) (p ParameterProperty, err error) {
	if p.Name, err = o.text("name"); err != nil {
		return ParameterProperty{}, err
	}
	p.Mandatory, p.IsPassword = o.flag("mandatory"), o.flag("isPassword")
	return p, nil
}

// flag reports whether there is a member that is not a spelling of false. An
// unknown value is true: no echo is better than showing a password.
func (o object) flag(name string) bool {
	switch string(o[name]) {
	case "", "null", "false", `"false"`, "0", `"0"`, `""`:
		return false
	default:
		return true
	}
}

// readList returns a member that is an array of objects, each converted by read,
// and nil if there is none.
func readList[T any](o object, name string, read func(object) (T, error)) ([]T, error) {
	if !o.has(name) {
		return nil, nil
	}
	var raws []json.RawMessage
	if json.Unmarshal(o[name], &raws) != nil {
		return nil, malformed(name + " is not a list")
	}
	list := make([]T, 0, len(raws))
	for _, raw := range raws {
		member, err := decodeObject(raw)
		if err != nil {
			return nil, err
		}
		item, err := read(member)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, nil
}
