package command

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

func newCompletion(env *Env) *cobra.Command {
	return &cobra.Command{
		Use: "completion bash|zsh|fish|powershell", GroupID: groupOther, Args: oneArg("name of the shell"),
		Short: "Print the script that completes commands in a shell",
		Long: `Completion prints the script that completes commands, flags and the names of profiles in
a shell. Load it where the shell starts.`,
		Example: `    source <(agsauth completion bash)     # in ~/.bashrc; it needs the package bash-completion
    source <(agsauth completion zsh)      # in ~/.zshrc, after compinit
    agsauth completion fish > ~/.config/fish/completions/agsauth.fish
    agsauth completion powershell | Out-String | Invoke-Expression`,
		ValidArgsFunction: cobra.FixedCompletions([]string{"bash", "zsh", "fish", "powershell"}, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			return writeCompletion(cmd.Root(), args[0], env.Out)
		},
	}
}

func writeCompletion(root *cobra.Command, shell string, out io.Writer) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(out, true)
	case "zsh":
		return root.GenZshCompletion(out)
	case "fish":
		return root.GenFishCompletion(out, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(out)
	}
	return exit.Usagef("there is no completion for %q; use bash, zsh, fish or powershell", shell)
}

func newHelp() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND...]", GroupID: groupOther,
		Short: "Show the help of a command",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if about, _, err := cmd.Root().Find(args); err == nil {
				for _, c := range about.Commands() {
					names = append(names, c.Name())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err == nil && len(rest) > 0 {
				err = unknownCommand(about, rest[0])
			}
			if err != nil {
				return usageError(about, err)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// completesWith makes a shell complete the values of a flag.
func completesWith(cmd *cobra.Command, flag string, values ...string) {
	complete(cmd, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// completesProfiles makes a shell complete the names of profiles, in all commands that take
// one.
func completesProfiles(env *Env, cmds []*cobra.Command) {
	for _, cmd := range cmds {
		completesProfiles(env, cmd.Commands())
		if cmd.Flags().Lookup(config.FlagProfile) == nil {
			continue
		}
		complete(cmd, config.FlagProfile, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return config.Profiles(sourcesOf(env, cmd)), cobra.ShellCompDirectiveNoFileComp
		})
	}
}

// complete panics if there is no such flag, which is a mistake in this package.
func complete(cmd *cobra.Command, flag string, with cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, with); err != nil {
		panic(fmt.Sprintf("command: %v", err))
	}
}
