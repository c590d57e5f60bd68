package signon

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/agsauth/agsauth/ags"
)

// Asker asks a person.
type Asker interface {
	ReadLine(ctx context.Context, prompt string) (string, error)
	ReadPassword(ctx context.Context, prompt string) (string, error)
	Choose(ctx context.Context, title string, options []string) (int, error)
}

// Conventional returns the parameters that most sign-on services ask for. They are for
// gateways without discovery.
func Conventional() []ags.ParameterProperty {
	return []ags.ParameterProperty{
		{Name: "username", Mandatory: true},
		{Name: "password", Mandatory: true, IsPassword: true},
	}
}

// Properties returns the parameters that a service asks for in a call: "SIGNON" or
// "SUBSEQUENTSIGNON". The spelling of a call's name may vary in case and separators.
func Properties(service ags.Service, call string) []ags.ParameterProperty {
	for _, endpoint := range service.Endpoints {
		if strings.EqualFold(strings.NewReplacer("_", "", "-", "", " ", "").Replace(endpoint.Name), call) {
			return endpoint.ParameterProperties
		}
	}
	return nil
}

// FindService returns the service of that name. The error is an [*InputError] that lists
// the services.
func FindService(d *ags.Discovery, name string) (ags.Service, error) {
	for _, service := range d.Services {
		if service.AuthServiceName == name {
			return service, nil
		}
	}
	problem := fmt.Sprintf("the gateway has no service %q", name)
	return ags.Service{}, &InputError{Problem: problem, Remedy: "choose one of " + quoted(serviceNames(d))}
}

// ChooseService returns the only service, or asks. Without an Asker the error is an
// [*InputError] that lists the services.
func ChooseService(ctx context.Context, d *ags.Discovery, ask Asker) (ags.Service, error) {
	switch {
	case len(d.Services) == 0:
		return ags.Service{}, &InputError{Problem: "the gateway has no sign-on service", Remedy: "check the URL and the tenant"}
	case len(d.Services) == 1:
		return d.Services[0], nil
	case ask == nil:
		return ags.Service{}, &InputError{
			Problem: "the gateway has several sign-on services",
			Remedy:  "choose one with --service: " + quoted(serviceNames(d)),
		}
	}
	var options []string
	for _, service := range d.Services {
		option := service.AuthServiceName
		if name := service.DisplayAttributes["name"]; name != "" && name != option {
			option += "  (" + name + ")"
		}
		options = append(options, option)
	}
	i, err := ask.Choose(ctx, "The gateway has several sign-on services:", options)
	if err != nil {
		return ags.Service{}, err
	}
	return d.Services[i], nil
}

func serviceNames(d *ags.Discovery) []string {
	var names []string
	for _, service := range d.Services {
		names = append(names, service.AuthServiceName)
	}
	return names
}

func quoted(names []string) string {
	var list []string
	for _, name := range names {
		list = append(list, fmt.Sprintf("%q", name))
	}
	return strings.Join(list, ", ")
}

// Plan says which parameters of a sign-on are given and which are not. Names are compared
// without regard to case, as the gateway does.
type Plan struct {
	steps []step
}

// step is one parameter. Its property is that of discovery, and only has a name if
// discovery does not name the parameter.
type step struct {
	property ags.ParameterProperty
	values   []string
}

// NewPlan returns the plan of a sign-on that asks for properties, with the given
// parameters.
func NewPlan(properties []ags.ParameterProperty, given []ags.Parameter) Plan {
	var p Plan
	for _, property := range properties {
		if p.find(property.Name) == nil {
			p.steps = append(p.steps, step{property: property})
		}
	}
	for _, parameter := range given {
		s := p.find(parameter.Name)
		if s == nil {
			p.steps = append(p.steps, step{property: ags.ParameterProperty{Name: parameter.Name}})
			s = &p.steps[len(p.steps)-1]
		}
		s.values = append(s.values, parameter.Value)
	}
	return p
}

func (p *Plan) find(name string) *step {
	i := slices.IndexFunc(p.steps, func(s step) bool { return strings.EqualFold(s.property.Name, name) })
	if i < 0 {
		return nil
	}
	return &p.steps[i]
}

// Missing returns the names of the parameters without which no sign-on is tried: the
// mandatory ones that are not given, or all if none is given.
func (p Plan) Missing() []string {
	anyGiven := slices.ContainsFunc(p.steps, func(s step) bool { return s.values != nil })
	var names []string
	for _, s := range p.steps {
		if s.values == nil && (s.property.Mandatory || !anyGiven) {
			names = append(names, s.property.Name)
		}
	}
	return names
}

// needsAnswers reports whether a person should be asked. An optional parameter alone is
// no reason to ask, unless it is a password.
func (p Plan) needsAnswers() bool {
	return len(p.Missing()) > 0 || slices.ContainsFunc(p.steps, func(s step) bool {
		return s.values == nil && s.property.IsPassword
	})
}

// Complete returns the parameters of the sign-on, in the order of discovery, and asks for
// those that are missing. Without an Asker, the error is an [*InputError] that names them.
func (p Plan) Complete(ctx context.Context, ask Asker) ([]ags.Parameter, error) {
	if missing := p.Missing(); ask == nil && len(missing) > 0 {
		return nil, &InputError{
			Problem: "there is no terminal to ask for " + strings.Join(missing, ", "),
			Remedy:  "use --param NAME=VALUE, or --param-file FILE for secrets",
		}
	}
	asks := ask != nil && p.needsAnswers()
	parameters := []ags.Parameter{}
	for _, s := range p.steps {
		values := s.values
		if values == nil && asks {
			var err error
			if values, err = s.ask(ctx, ask); err != nil {
				return nil, err
			}
		}
		for _, value := range values {
			parameters = append(parameters, ags.Parameter{Name: s.property.Name, Value: value})
		}
	}
	return parameters, nil
}

// ask asks for the value. No values mean that an optional parameter was left out.
func (s step) ask(ctx context.Context, ask Asker) ([]string, error) {
	read, prompt := ask.ReadLine, s.property.Name
	if s.property.IsPassword || IsSecretName(s.property.Name) {
		read = ask.ReadPassword
	}
	if !s.property.Mandatory {
		prompt += " (optional)"
	}
	for {
		value, err := read(ctx, prompt+": ")
		switch {
		case err != nil:
			return nil, fmt.Errorf("ask for %s: %w", s.property.Name, err)
		case value != "":
			return []string{value}, nil
		case !s.property.Mandatory:
			return nil, nil
		}
	}
}
