package terminal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/terminal"
	"github.com/agsauth/agsauth/internal/leak"
)

// askVariable makes the test's program ask a question on its terminal instead of
// running the tests.
const askVariable = "TERMINAL_TEST_ASK"

func TestMain(m *testing.M) {
	if question := os.Getenv(askVariable); question != "" {
		os.Exit(ask(question))
	}
	leak.Main(m)
}

// ask prints the answer to standard output and returns the exit status.
func ask(question string) int {
	t, err := terminal.Open()
	if err != nil {
		fmt.Println(err)
		return 2
	}
	defer func() { _ = t.Close() }()
	ctx := context.Background()
	var answer string
	switch question {
	case "password":
		answer, err = t.ReadPassword(ctx, "Password: ")
	case "line":
		answer, err = t.ReadLine(ctx, "Name: ")
	case "choice":
		var i int
		i, err = t.Choose(ctx, "Accounts:", []string{"first", "sec\x1b[31mond", "1664  username=dave", "twin  a", "twin  b"})
		answer = fmt.Sprint("index ", i)
	}
	if errors.Is(err, terminal.ErrInterrupted) {
		return 130
	}
	fmt.Print(answer, err)
	return 0
}
