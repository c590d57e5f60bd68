package command

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// settingFlag marks the flags that set a setting of the profile. They are listed apart
// from the flags of the command.
const settingFlag = "agsauth_setting"

// called gives the value of a flag a name in the usage text.
func called(placeholder string, flags *pflag.FlagSet, name string) {
	flag := flags.Lookup(name)
	flag.Value = namedValue{flag.Value, placeholder}
}

// namedValue is a flag's value with a type of its own.
type namedValue struct {
	pflag.Value
	name string
}

// Type returns the name. Package pflag shows it as the placeholder of the value.
func (v namedValue) Type() string { return v.name }

// printUsage prints how to call a command.
func printUsage(cmd *cobra.Command) error {
	out := cmd.OutOrStderr()
	use := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		use = cmd.CommandPath() + " COMMAND [flags]"
	}
	fmt.Fprintf(out, "Usage:\n\n    %s\n", use)
	if cmd.HasExample() {
		fmt.Fprintf(out, "\nExamples:\n\n%s\n", strings.TrimRight(cmd.Example, "\n"))
	}
	if cmd.HasAvailableSubCommands() {
		printCommands(cmd)
	}
	own, settings := splitFlags(cmd)
	printFlags(cmd, "Flags", own)
	printFlags(cmd, "Settings of the profile (see agsauth config show)", settings)
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(out, "\nRun %s COMMAND --help for more about a command.\n", cmd.CommandPath())
	}
	return nil
}

func printCommands(cmd *cobra.Command) {
	groups := append(cmd.Groups(), &cobra.Group{Title: "Commands:"})
	for _, group := range groups {
		table := tabwriter.NewWriter(cmd.OutOrStderr(), 0, 0, 3, ' ', 0)
		titled := false
		for _, c := range cmd.Commands() {
			if c.GroupID != group.ID || !c.IsAvailableCommand() && c.Name() != "help" {
				continue
			}
			if !titled {
				fmt.Fprintf(table, "\n%s\n\n", group.Title)
				titled = true
			}
			fmt.Fprintf(table, "    %s\t%s\n", c.Name(), c.Short)
		}
		_ = table.Flush()
	}
}

func splitFlags(cmd *cobra.Command) (own, settings []*pflag.Flag) {
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		switch _, isSetting := flag.Annotations[settingFlag]; {
		case flag.Hidden:
		case isSetting:
			settings = append(settings, flag)
		default:
			own = append(own, flag)
		}
	})
	return own, settings
}

func printFlags(cmd *cobra.Command, title string, flags []*pflag.Flag) {
	if len(flags) == 0 {
		return
	}
	table := tabwriter.NewWriter(cmd.OutOrStderr(), 0, 0, 3, ' ', 0)
	fmt.Fprintf(table, "\n%s:\n\n", title)
	for _, flag := range flags {
		placeholder, usage := describe(flag)
		if placeholder != "" {
			placeholder = " " + placeholder
		}
		short := "    "
		if flag.Shorthand != "" {
			short = "-" + flag.Shorthand + ", "
		}
		fmt.Fprintf(table, "    %s--%s%s\t%s\n", short, flag.Name, placeholder, usage)
	}
	_ = table.Flush()
}

// notBelowZero returns a usage error for the flag of a duration that makes no sense.
func notBelowZero(name string, d time.Duration) error {
	if d < 0 {
		return exit.Usagef("flag --%s: %s is below zero; use a duration such as 30s", name, d)
	}
	return nil
}

// describe returns the placeholder of a flag's value, and what the flag means, with the
// value that it has by default.
func describe(flag *pflag.Flag) (placeholder, usage string) {
	placeholder, usage = pflag.UnquoteUsage(flag)
	switch flag.DefValue {
	case "", "false", "0", "0s", "[]":
		return placeholder, usage
	}
	return placeholder, usage + " (default " + flag.DefValue + ")"
}
