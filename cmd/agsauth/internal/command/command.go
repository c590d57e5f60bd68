// Package command is the command line: one file for each command. A command parses,
// wires and prints; the packages beside this one and the library do the work.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/adrg/xdg"
	"github.com/spf13/cobra"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/profile"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/terminal"
	"github.com/agsauth/agsauth/tokensource"
)

// Env is the surroundings of a command.
type Env struct {
	In       io.Reader
	Out, Err io.Writer
	// LookupEnv returns an environment variable.
	LookupEnv func(name string) (string, bool)
	// ConfigHome and StateHome are the user's folders for configuration and state.
	ConfigHome, StateHome string
	Keyring               profile.Keyring

	// resolved is the profile of the command, if it has one.
	resolved atomic.Pointer[config.Resolved]
	// session is the session that the command has opened, if any.
	session atomic.Pointer[tokensource.Source]
	// signOns counts the calls of a sign-on that are under way.
	signOns atomic.Int32
	// outErr is the first error of writing to Out.
	outErr atomic.Pointer[error]
	// signalsTaken is closed when the command handles signals itself.
	signalsTaken chan struct{}
}

// SystemEnv returns the surroundings of this process.
func SystemEnv() *Env {
	return &Env{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, LookupEnv: os.LookupEnv,
		ConfigHome: xdg.ConfigHome, StateHome: xdg.StateHome, Keyring: profile.SystemKeyring{},
		signalsTaken: make(chan struct{}),
	}
}

// SignalsTaken returns a channel that is closed when the command handles signals itself.
func (e *Env) SignalsTaken() <-chan struct{} { return e.signalsTaken }

// Refreshing reports whether a refresh or sign-on is under way. It must not be killed:
// if refresh tokens can be used only once, that loses the session.
func (e *Env) Refreshing() bool {
	session := e.session.Load()
	return e.signOns.Load() > 0 || session != nil && session.Status().Busy
}

// Run executes a command line, without the program's name, and returns the exit
// status. The end of ctx interrupts it; its cause should be [exit.ErrInterrupted].
func Run(ctx context.Context, env *Env, args []string) int {
	root, started := newRoot(env)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	err = env.outputError(err)
	var own *exit.Error
	switch cause := context.Cause(ctx); {
	case err == nil:
		return exit.OK
	case errors.As(err, &own):
	case !*started:
		err = usageError(cmd, err)
	case cause != nil:
		// What the interruption has ended may wrap it in an error of its own.
		err = cause
	}
	if text := exit.Message(err, env.commandOf()); text != "" {
		fmt.Fprintf(env.Err, "agsauth: %s\n", text)
	}
	return exit.StatusOf(err)
}

// newRoot returns the root command. started is set once a command's arguments are
// accepted and it runs.
func newRoot(env *Env) (root *cobra.Command, started *bool) {
	started = new(bool)
	var wantsVersion bool
	root = &cobra.Command{
		Use:   "agsauth",
		Short: "Keeps one sign-on to an Authentication Gateway Service alive",
		Long: `Agsauth signs on to an Authentication Gateway Service once, and gives programs in
any language access tokens that are valid.`,
		SilenceUsage: true, SilenceErrors: true,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if wantsVersion {
				return printVersion(env)
			}
			return needsCommand(cmd, args)
		},
		PersistentPreRun: func(cmd *cobra.Command, _ []string) { *started = cmd.HasParent() },
	}
	root.SetIn(env.In)
	root.SetOut(output{env})
	root.SetErr(env.Err)
	root.Flags().BoolVar(&wantsVersion, "version", false, "print the version")
	root.SetUsageFunc(printUsage)
	root.SetFlagErrorFunc(flagError)
	root.AddGroup(&cobra.Group{ID: groupSession, Title: "The session:"},
		&cobra.Group{ID: groupUse, Title: "Using it:"},
		&cobra.Group{ID: groupOther, Title: "Testing and help:"})
	root.SetHelpCommand(newHelp())
	for _, c := range commands(env) {
		root.AddCommand(c)
	}
	completesProfiles(env, root.Commands())
	return root, started
}

// The groups of commands in the help text.
const (
	groupSession = "session"
	groupUse     = "use"
	groupOther   = "other"
)

// commands returns the commands, in the order of the help text.
func commands(env *Env) []*cobra.Command {
	return []*cobra.Command{
		newDiscover(env),
		newLogin(env),
		newStatus(env),
		newLogout(env),
		newToken(env),
		newExec(env),
		newRequest(env),
		newProxy(env),
		newDaemon(env),
		newHealth(env),
		newConfig(env),
		newDoctor(env),
		newGateway(env),
		newDemo(env),
		newCompletion(env),
		newVersion(env),
	}
}

// addSettings adds the flags of all settings to a command that opens a profile.
func addSettings(cmd *cobra.Command) {
	flags := cmd.Flags()
	define := func(name, placeholder, usage string) {
		if placeholder == "" {
			flags.Bool(name, false, usage)
		} else {
			flags.String(name, "", usage)
			called(placeholder, flags, name)
		}
		flags.Lookup(name).Annotations = map[string][]string{settingFlag: nil}
	}
	define(config.FlagProfile, "NAME", "use this profile of the configuration")
	define(config.FlagConfig, "FILE", "read this configuration file")
	for _, s := range config.All() {
		define(s.Key, s.Placeholder, s.Usage)
		flags.Lookup(s.Key).DefValue = s.Default
	}
	completesWith(cmd, "dialect", "ags", "ias-v3", "ias-v2")
}

// resolve returns the settings of a command with the flags of addSettings.
func resolve(env *Env, cmd *cobra.Command) (*config.Resolved, error) {
	r, err := config.Resolve(sourcesOf(env, cmd))
	if err == nil {
		env.resolved.Store(r)
	}
	return r, err
}

func sourcesOf(env *Env, cmd *cobra.Command) config.Sources {
	given := map[string]string{}
	for _, name := range append([]string{config.FlagProfile, config.FlagConfig}, keys()...) {
		if flag := cmd.Flags().Lookup(name); flag.Changed {
			given[name] = flag.Value.String()
		}
	}
	return config.Sources{
		Flags: given, LookupEnv: env.LookupEnv, ConfigHome: env.ConfigHome, StateHome: env.StateHome,
		NewProfile: mayBeNew(env, cmd, given),
	}
}

// mayBeNew reports whether a command can use a profile of which nothing is known: doctor
// has a finding of its own about it, and others need the gateway.
func mayBeNew(env *Env, cmd *cobra.Command, given map[string]string) bool {
	switch cmd.Name() {
	case "doctor":
		return true
	case "discover", "login", "daemon", "proxy":
		fromEnv, _ := env.LookupEnv("AGSAUTH_GATEWAY")
		return given["gateway"] != "" || fromEnv != ""
	}
	return false
}

// commandOf returns what names the commands of the profile that is in use; nil if none is.
func (e *Env) commandOf() func(name string) string {
	if r := e.resolved.Load(); r != nil {
		return r.Command
	}
	return nil
}

func keys() []string {
	var all []string
	for _, s := range config.All() {
		all = append(all, s.Key)
	}
	return all
}

// opened is the profile of a command.
type opened struct {
	*profile.Profile
	resolved *config.Resolved
	env      *Env
}

// settingsOf returns the settings of a command that uses the session of its profile.
func settingsOf(env *Env, cmd *cobra.Command) (*config.Resolved, *config.Settings, error) {
	resolved, err := resolve(env, cmd)
	if err != nil {
		return nil, nil, err
	}
	if err := resolved.CheckGateway(); err != nil {
		return nil, nil, err
	}
	settings, err := resolved.Settings()
	return resolved, settings, err
}

// open opens the profile of a command. The caller must close it.
func open(env *Env, cmd *cobra.Command) (*opened, error) {
	resolved, settings, err := settingsOf(env, cmd)
	if err != nil {
		return nil, err
	}
	p, err := profile.Open(cmd.Context(), settings, env.Keyring)
	if err != nil {
		return nil, err
	}
	return &opened{Profile: p, resolved: resolved, env: env}, nil
}

// newSource returns the session of the profile. The caller must close it before the
// profile. Unless cfg has an OnEvent, what happens to the store is told on standard error.
func (o *opened) newSource(cfg tokensource.Config) (*tokensource.Source, error) {
	if cfg.OnEvent == nil {
		cfg.OnEvent = o.env.tellOfStore
	}
	source, err := o.NewSource(cfg)
	if err == nil {
		o.env.session.Store(source)
	}
	return source, err
}

// tellOfStore tells what a person should know about the store: that it was damaged, could
// not be used, or was repaired.
func (e *Env) tellOfStore(event tokensource.Event) {
	if event.Kind != tokensource.EventStoreFailed && event.Kind != tokensource.EventStoreRepaired || event.Err == nil {
		return
	}
	text := strings.ReplaceAll(event.Err.Error(), "\n", "; ")
	fmt.Fprintf(e.Err, "agsauth: the store of the session: %s\n", terminal.Printable(text))
}
