package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// noArgs refuses arguments. Those of a command with commands below it are taken for a
// command that does not exist.
func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasSubCommands():
		return unknownCommand(cmd, args[0])
	}
	return fmt.Errorf("%s takes no argument, and %q is one", cmd.CommandPath(), args[0])
}

// unknownCommand returns the error of a command that cmd does not have, with those of a
// similar name.
func unknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 2
	similar := cmd.SuggestionsFor(name)
	if len(similar) == 0 {
		return fmt.Errorf("there is no command %q", name)
	}
	for i := range similar {
		similar[i] = cmd.CommandPath() + " " + similar[i]
	}
	return exit.Usagef("there is no command %q; did you mean %s?", name, strings.Join(similar, " or "))
}

// oneArg requires one argument. what names it.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("the %s is missing", what)
		}
		return atMostOneArg(cmd, args)
	}
}

// atMostOneArg refuses a second argument.
func atMostOneArg(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("%s takes one argument, and %q is another", cmd.CommandPath(), args[1])
	}
	return nil
}

// someArgs requires at least one argument. what names the first one.
func someArgs(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("the %s is missing", what)
		}
		return nil
	}
}

// needsCommand is what a command does that only has commands below it.
func needsCommand(cmd *cobra.Command, _ []string) error {
	return usageError(cmd, errors.New("a command is missing"))
}

// usageError returns the error of wrong arguments. If it does not say yet what to do, it
// names the help of the command.
func usageError(cmd *cobra.Command, err error) error {
	if _, ok := errors.AsType[*exit.Error](err); ok {
		return err
	}
	return &exit.Error{Status: exit.Usage, Err: err, Hint: "see " + cmd.CommandPath() + " --help"}
}

// flagError returns the error of a flag in plain words.
func flagError(_ *cobra.Command, err error) error {
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	flag := invalid.GetFlag()
	if want := wantedBy(flag.Value.Type()); want != "" {
		return exit.Usagef("flag --%s: %q is not %s", flag.Name, invalid.GetValue(), want)
	}
	return exit.Usagef("flag --%s: %w", flag.Name, invalid.Unwrap())
}

// wantedBy says what the value of a flag must be, by its placeholder or type.
func wantedBy(placeholder string) string {
	switch placeholder {
	case "PORT":
		return "a port; use a number from 0 to 65535"
	case "DURATION":
		return "a duration; use one like 30s or 1h30m"
	case "N":
		return "a number; use one like 5"
	case "bool":
		return "true or false; leave the value out for true"
	}
	return ""
}
