package ags

import (
	"encoding/json"
	"net/http"
)

// Discovery is what a gateway offers: which services can be signed on to, and
// what they want to be told.
type Discovery struct {
	Services []Service
}

// Service is one sign-on service.
type Service struct {
	// AuthServiceName is what [Config.AuthServiceID] is to be.
	AuthServiceName string
	// DisplayAttributes are for showing to a user: "name", "logo". One that is no
	// string is given as its JSON.
	DisplayAttributes map[string]string
	// Endpoints are the calls that the service wants parameters for.
	Endpoints []Endpoint
}

// Endpoint is a call as a service wants it.
type Endpoint struct {
	// Name is the call's name, such as "SIGNON", and Path its path as the service
	// tells it, such as "/signOn".
	Name, Path string
	// ParameterProperties are the parameters that the call takes.
	ParameterProperties []ParameterProperty
}

// ParameterProperty says what a [Parameter] is to be.
type ParameterProperty struct {
	// Name is the parameter's name.
	Name string
	// Mandatory is set when it has to be there.
	Mandatory bool
	// IsPassword is set when it is to be asked for without echo.
	IsPassword bool
}

func readDiscovery(a *answer) (*Discovery, error) {
	if a.status != http.StatusOK {
		return nil, a.unexpected()
	}
	o, err := a.object()
	if err != nil {
		return nil, err
	}
	if !o.has("availableServices") {
		return nil, malformed("the answer has no availableServices")
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

// flag reports whether a member is there and is not false in any spelling. In
// doubt it is set: a password asked for without need is better than one shown.
func (o object) flag(name string) bool {
	switch string(o[name]) {
	case "", "null", "false", `"false"`, "0", `"0"`, `""`:
		return false
	default:
		return true
	}
}

// readList returns a member that is an array of objects, each read by read, and
// nil where there is none.
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
