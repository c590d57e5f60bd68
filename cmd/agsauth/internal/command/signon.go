package command

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/credentials"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/profile"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/signon"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/statusview"
	"github.com/agsauth/agsauth/tokensource"
)

// signingOn is a run of the command login.
type signingOn struct {
	env       *Env
	flags     loginFlags
	arguments []ags.Parameter // of the command line
	resolved  *config.Resolved
	settings  *config.Settings
	ask       signon.Asker // nil if nobody answers
}

// run signs on unless there is a live session. All questions but that for the account come
// before the store is locked.
func (s *signingOn) run(ctx context.Context) error {
	if err := s.chooseGateway(ctx); err != nil {
		return err
	}
	status, err := s.current(ctx)
	if err != nil {
		return err
	}
	view := statusview.View{Status: status}
	if view.Renewable() && !s.flags.force {
		announce(s.env, "Already signed in", s.resolved, status)
		return nil
	}
	if err := profile.CheckWritable(s.settings); err != nil {
		return err
	}
	attempt, err := s.prepare(ctx, status)
	if err != nil {
		return err
	}
	// A Source does not call its Login after a sign-out: that was a person's wish.
	// Nor while there is an access token, even if no refresh can replace it.
	again := view.SignedIn() || status.Reason == tokensource.SignedOut
	if status, err = s.signOn(ctx, attempt, again); err != nil {
		return err
	}
	if err := s.resolved.Remember(status.ClientID); err != nil {
		return err
	}
	announce(s.env, "Signed in", s.resolved, status)
	return context.Cause(ctx)
}

// chooseGateway asks for the gateway if none is set.
func (s *signingOn) chooseGateway(ctx context.Context) (err error) {
	if s.settings, err = s.resolved.Settings(); err != nil {
		return err
	}
	if s.settings.Gateway == "" {
		if s.ask == nil {
			return exit.Usagef("no gateway is set; use --gateway URL, AGSAUTH_GATEWAY, or the configuration file")
		}
		url, err := s.ask.ReadLine(ctx, "URL of the gateway: ")
		if err != nil {
			return err
		}
		s.resolved.Set("gateway", url, "your answer")
		if s.settings, err = s.resolved.Settings(); err != nil {
			return err
		}
	}
	return s.resolved.CheckGateway()
}

// current returns the status of the stored session.
func (s *signingOn) current(ctx context.Context) (status tokensource.Status, err error) {
	err = s.withSource(ctx, tokensource.Config{}, func(source *tokensource.Source) error {
		status, err = liveStatus(ctx, source)
		return err
	})
	return status, err
}

// withSource calls use with the session of the profile.
func (s *signingOn) withSource(ctx context.Context, cfg tokensource.Config, use func(*tokensource.Source) error) (err error) {
	p, err := profile.Open(ctx, s.settings, s.env.Keyring)
	if err != nil {
		return err
	}
	defer closeAll(&err, p.Close)
	source, err := (&opened{Profile: p, resolved: s.resolved, env: s.env}).newSource(cfg)
	if err != nil {
		return err
	}
	defer closeAll(&err, source.Close)
	return use(source)
}

// prepare finds out what the gateway asks for, and asks for what is not given.
func (s *signingOn) prepare(ctx context.Context, status tokensource.Status) (*signon.SignOn, error) {
	service, err := s.service(ctx)
	if err != nil {
		return nil, err
	}
	properties := signon.Properties(service, "SIGNON")
	if err := signon.RefuseSecrets(s.arguments, properties); err != nil {
		return nil, err
	}
	given, err := s.given()
	if err != nil {
		return nil, err
	}
	device, err := profile.DeviceInformation(s.settings.DeviceInfo)
	if err != nil {
		return nil, err
	}
	parameters, err := signon.NewPlan(properties, given).Complete(ctx, s.ask)
	if err != nil {
		return nil, err
	}
	client, _, err := profile.NewClient(s.settings)
	if err != nil {
		return nil, err
	}
	return &signon.SignOn{
		Gateway:    noticed{client, s.env, s.notice},
		Parameters: func(context.Context) ([]ags.Parameter, error) { return parameters, nil },
		Device:     device,
		ClientID:   s.resolved.Device,
		Picker:     signon.Picker{Wanted: s.flags.account, Known: status.AccountID, Ask: s.ask},
		Subsequent: signon.Properties(service, "SUBSEQUENTSIGNON"),
	}, nil
}

// service returns the service to sign on with. Its name becomes a setting, because each
// refresh needs it.
func (s *signingOn) service(ctx context.Context) (service ags.Service, err error) {
	client, _, err := profile.NewClient(s.settings)
	if err != nil {
		return ags.Service{}, err
	}
	stop := s.notice()
	found, err := client.Discover(ctx)
	stop()
	switch {
	case hasNoDiscovery(err) && (s.settings.Service != "" || s.settings.Dialect == ags.IASv2):
		return ags.Service{
			AuthServiceName: s.settings.Service,
			Endpoints:       []ags.Endpoint{{Name: "SIGNON", ParameterProperties: signon.Conventional()}},
		}, nil
	case hasNoDiscovery(err):
		return ags.Service{}, &exit.Error{Status: exit.Failure, Err: err, Hint: "check --gateway and --tenant; if the gateway has no discovery, name the service with --service"}
	case err != nil:
		return ags.Service{}, err
	case s.settings.Service != "":
		return signon.FindService(found, s.settings.Service)
	}
	if service, err = signon.ChooseService(ctx, found, s.ask); err != nil {
		return ags.Service{}, err
	}
	s.resolved.Set(config.KeyService, service.AuthServiceName, "discovery")
	s.settings, err = s.resolved.Settings()
	return service, err
}

// hasNoDiscovery reports whether an error of discovery says that the deployment does not
// offer it. A gateway that is away may offer it.
func hasNoDiscovery(err error) bool {
	call, ok := errors.AsType[*ags.Error](err)
	return errors.Is(err, errors.ErrUnsupported) || ok && call.Status == http.StatusNotFound
}

// given returns the parameters that need no question: those of the profile, of the file,
// and of the command line. The later ones replace the earlier ones.
func (s *signingOn) given() ([]ags.Parameter, error) {
	inFile, err := readParameters(s.env, s.settings.ParamFile, s.env.In)
	if err != nil {
		return nil, err
	}
	var given []ags.Parameter
	for name, value := range s.settings.Parameters {
		if file := s.resolved.File.Text; signon.IsSecretName(name) && credentials.Exposed(file) {
			return nil, exit.Usagef("%s has the secret parameter %q, and other users can read it; run: chmod 600 %[1]s", file, name)
		}
		given = append(given, ags.Parameter{Name: name, Value: value})
	}
	slices.SortFunc(given, func(a, b ags.Parameter) int { return strings.Compare(a.Name, b.Name) })
	for _, later := range [][]ags.Parameter{inFile, s.arguments} {
		given = slices.DeleteFunc(given, func(p ags.Parameter) bool {
			return slices.ContainsFunc(later, func(l ags.Parameter) bool { return strings.EqualFold(l.Name, p.Name) })
		})
		given = append(given, later...)
	}
	return given, nil
}

// readParameters reads the parameters that nobody types. There are none if neither a file
// nor systemd has any.
func readParameters(env *Env, file string, stdin io.Reader) ([]ags.Parameter, error) {
	folder, _ := env.LookupEnv("CREDENTIALS_DIRECTORY")
	found, err := credentials.ReadParameters(file, stdin, folder)
	if err != nil {
		return nil, exit.Usagef("the sign-on parameters cannot be read: %w", err)
	}
	return found, nil
}

// signOn signs on and stores the session. With again it replaces whatever is stored.
func (s *signingOn) signOn(ctx context.Context, attempt *signon.SignOn, again bool) (status tokensource.Status, err error) {
	cfg := tokensource.Config{}
	if !again {
		// The Source calls it under the store's lock: two logins at once make one device.
		cfg.Login = attempt.Login
	}
	err = s.withSource(ctx, cfg, func(source *tokensource.Source) error {
		err := source.Sync(ctx)
		switch {
		case err != nil:
		case again:
			err = signOnAgain(ctx, source, attempt)
		default:
			err = s.signOnFirst(ctx, source)
		}
		status = source.Status()
		return err
	})
	return status, err
}

// signOnFirst signs on unless another process has. It can be interrupted, but not during a
// call: then it goes on until the session is saved.
func (s *signingOn) signOnFirst(ctx context.Context, source *tokensource.Source) error {
	_, err := source.TokenContext(ctx)
	if ctx.Err() != nil && s.env.signOns.Load() > 0 {
		_, err = source.TokenContext(context.WithoutCancel(ctx))
	}
	return err
}

// signOnAgain replaces the session of source, and keeps its device.
func signOnAgain(ctx context.Context, source *tokensource.Source, attempt *signon.SignOn) error {
	token, err := attempt.Again(ctx, source.Status().ClientID)
	if err != nil {
		return err
	}
	return source.SetToken(context.WithoutCancel(ctx), token)
}
