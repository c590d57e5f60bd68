package signon_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// person answers questions with what is prepared, and records them.
type person struct {
	answers []string
	choice  int
	asked   []string
}

func (p *person) next(question string) (string, error) {
	p.asked = append(p.asked, question)
	if len(p.answers) == 0 {
		return "", io.EOF
	}
	answer := p.answers[0]
	p.answers = p.answers[1:]
	return answer, nil
}

func (p *person) ReadLine(_ context.Context, prompt string) (string, error) {
	return p.next(prompt)
}

func (p *person) ReadPassword(_ context.Context, prompt string) (string, error) {
	return p.next("hidden " + prompt)
}

func (p *person) Choose(_ context.Context, title string, options []string) (int, error) {
	p.asked = append(p.asked, title)
	p.asked = append(p.asked, options...)
	return p.choice, nil
}

// pairs returns parameters as name=value.
func pairs(parameters []ags.Parameter) []string {
	list := []string{}
	for _, p := range parameters {
		list = append(list, fmt.Sprintf("%s=%s", p.Name, p.Value))
	}
	return list
}
