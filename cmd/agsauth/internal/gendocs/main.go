// Gendocs writes what is made of the commands themselves: docs/cli.md, the manual pages,
// and the completions of shells.
//
//	gendocs -markdown FILE
//	gendocs -man FOLDER -completions FOLDER
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/command"
)

func main() {
	markdown := flag.String("markdown", "", "write the description of all commands to this `file`")
	man := flag.String("man", "", "write the manual pages to this `folder`")
	completions := flag.String("completions", "", "write the completions to this `folder`")
	flag.Parse()
	root := command.Root()
	err := writeMarkdown(*markdown)
	if err == nil && *man != "" {
		err = writeMan(root, *man)
	}
	if err == nil && *completions != "" {
		err = writeCompletions(root, *completions)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}

func writeMarkdown(path string) error {
	if path == "" {
		return nil
	}
	return os.WriteFile(path, command.Markdown(), 0o644)
}

func writeMan(root *cobra.Command, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return doc.GenManTree(root, &doc.GenManHeader{Title: "AGSAUTH", Section: "1", Source: "agsauth", Manual: "agsauth"}, folder)
}

func writeCompletions(root *cobra.Command, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"agsauth.bash": func(b *bytes.Buffer) error { return root.GenBashCompletionV2(b, true) },
		"agsauth.zsh":  func(b *bytes.Buffer) error { return root.GenZshCompletion(b) },
		"agsauth.fish": func(b *bytes.Buffer) error { return root.GenFishCompletion(b, true) },
		"agsauth.ps1":  func(b *bytes.Buffer) error { return root.GenPowerShellCompletionWithDesc(b) },
	} {
		var content bytes.Buffer
		if err := write(&content); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name), content.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
