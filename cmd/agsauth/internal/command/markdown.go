package command

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
)

//go:embed introduction.md
var introduction string

// Root returns the root command for what is generated from the commands.
func Root() *cobra.Command {
	root, _ := newRoot(&Env{})
	root.DisableAutoGenTag = true
	return root
}

// Markdown returns the description of all commands, docs/cli.md.
func Markdown() []byte {
	var b bytes.Buffer
	b.WriteString(introduction)
	writeSettings(&b)
	b.WriteString("\n## Commands\n")
	root := Root()
	for _, cmd := range root.Commands() {
		writeCommand(&b, cmd)
	}
	return b.Bytes()
}

func writeSettings(b *bytes.Buffer) {
	fmt.Fprint(b, "\n## Settings\n\n| setting | variable | default | |\n|---|---|---|---|\n")
	for _, s := range config.All() {
		fmt.Fprintf(b, "| `%s` | `%s` | %s | %s |\n", s.Key, s.Env(), s.Default, s.Usage)
	}
}

// writeCommand writes a command and those below it.
func writeCommand(b *bytes.Buffer, cmd *cobra.Command) {
	if !cmd.IsAvailableCommand() {
		return
	}
	if !cmd.HasAvailableSubCommands() {
		writeDescription(b, cmd)
	}
	for _, sub := range cmd.Commands() {
		writeCommand(b, sub)
	}
}

func writeDescription(b *bytes.Buffer, cmd *cobra.Command) {
	use := strings.TrimSuffix(cmd.UseLine(), " [flags]")
	fmt.Fprintf(b, "\n### %s\n\n", strings.Replace(use, " [flags]", "", 1))
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(b, "%s\n", text)
	if cmd.HasExample() {
		fmt.Fprintf(b, "\nExamples:\n\n%s\n", cmd.Example)
	}
	own, settings := splitFlags(cmd)
	if len(own) > 0 {
		fmt.Fprint(b, "\n| flag | |\n|---|---|\n")
	}
	for _, flag := range own {
		writeFlag(b, flag)
	}
	if len(settings) > 0 {
		fmt.Fprint(b, "\nAll [settings](#settings) can also be given as flags.\n")
	}
}

func writeFlag(b *bytes.Buffer, flag *pflag.Flag) {
	placeholder, usage := describe(flag)
	name := "--" + flag.Name
	if flag.Shorthand != "" {
		name = "-" + flag.Shorthand + ", " + name
	}
	if placeholder != "" {
		name += " " + placeholder
	}
	fmt.Fprintf(b, "| `%s` | %s |\n", name, strings.ReplaceAll(usage, "|", `\|`))
}
