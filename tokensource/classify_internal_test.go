package tokensource

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
	"github.com/agsauth/agsauth/tokensource/internal/task"
)

var (
	errBoom = errors.New("boom")
	errCut  = io.ErrUnexpectedEOF
)

func TestIsAnswerLost(t *testing.T) {
	for name, tt := range map[string]struct {
		err        error
		lost, late bool
	}{
		"no answer":              {&ags.Error{}, true, true},
		"never sent":             {&ags.Error{NotSent: true}, false, false},
		"granted, and cut off":   {&ags.Error{Status: 200, Err: errCut}, true, true},
		"created, and cut off":   {&ags.Error{Status: 201, Err: errCut}, true, true},
		"granted, but garbled":   {&ags.Error{Status: 200, Malformed: true}, false, false},
		"refused, and cut off":   {&ags.Error{Status: 400, Err: errCut}, false, false},
		"busy, and cut off":      {&ags.Error{Status: 503, Err: errCut}, false, false},
		"a status without sense": {&ags.Error{Malformed: true}, false, false},
		"an unknown error":       {errBoom, false, true},
		"no error":               {nil, false, false},
	} {
		assert.Equal(t, [2]bool{tt.lost, tt.late}, [2]bool{isAnswerLost(tt.err), isAnswerLate(tt.err)}, name)
	}
}

func TestIsOutcomeUnknown(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"no answer":                    {&ags.Error{}, true},
		"never sent":                   {&ags.Error{NotSent: true}, false},
		"a proxy lost it":              {&ags.Error{Status: 502}, true},
		"a proxy gave up":              {&ags.Error{Status: 504}, true},
		"busy":                         {&ags.Error{Status: 503}, false},
		"busy, says a proxy":           {&ags.Error{Status: 503, NotFromGateway: true}, true},
		"timed out":                    {&ags.Error{Status: 408}, false},
		"timed out, says a proxy":      {&ags.Error{Status: 408, NotFromGateway: true}, true},
		"refused by a firewall":        {&ags.Error{Status: 403, Malformed: true}, false},
		"a status without sense":       {&ags.Error{Malformed: true}, true},
		"another one":                  {&ags.Error{Status: 999, Malformed: true}, true},
		"rejected after a lost answer": {&ags.Error{Status: 401, OutcomeUnknown: true}, true},
		"wrapped":                      {fmt.Errorf("wrapped: %w", &ags.Error{Status: 520, NotFromGateway: true}), true},
		"granted, but garbled":         {&ags.Error{Status: 200, Malformed: true}, true},
		"rejected":                     {&ags.Error{Status: 401}, false},
		"an unknown error":             {errBoom, true},
		"our own timeout":              {task.ErrTimeout, true},
	} {
		assert.Equal(t, tt.want, isOutcomeUnknown(tt.err), name)
	}
}

// unreadable is the error of a store whose record must be left alone.
type unreadable struct{ error }

func (unreadable) LeaveAlone() bool { return true }

func TestClassify(t *testing.T) {
	const transient, refused, terminal = lifecycle.Transient, lifecycle.Refused, lifecycle.Terminal
	for name, tt := range map[string]struct {
		err            error
		refresh, login lifecycle.Class
	}{
		"401":                              {&ags.Error{Status: 401}, terminal, refused},
		"403 account suspended":            {&ags.Error{Status: 403, Code: 20002}, refused, refused},
		"403 device deleted":               {&ags.Error{Status: 403, Code: 20003}, terminal, refused},
		"403 validity check":               {&ags.Error{Status: 403, Code: 20020}, terminal, refused},
		"403 device limit":                 {&ags.Error{Status: 403, Code: 20007}, refused, refused},
		"400":                              {&ags.Error{Status: 400}, refused, refused},
		"404":                              {&ags.Error{Status: 404}, refused, refused},
		"408":                              {&ags.Error{Status: 408}, transient, transient},
		"425":                              {&ags.Error{Status: 425}, transient, transient},
		"429":                              {&ags.Error{Status: 429}, transient, transient},
		"500":                              {&ags.Error{Status: 500}, transient, transient},
		"503":                              {&ags.Error{Status: 503}, transient, transient},
		"no answer":                        {&ags.Error{}, transient, transient},
		"403 of a firewall":                {&ags.Error{Status: 403, Malformed: true}, transient, transient},
		"an unknown error":                 {errBoom, transient, refused},
		"a wrapped 401":                    {fmt.Errorf("wrapped: %w", &ags.Error{Status: 401}), terminal, refused},
		"unauthorized without an answer":   {ags.ErrUnauthorized, terminal, refused},
		"forbidden without an answer":      {ags.ErrForbidden, refused, refused},
		"a store that is away":             {&sharing.Error{Op: "load", Err: errBoom}, transient, transient},
		"a damaged record":                 {sharing.ErrDamaged, transient, transient},
		"a record that must be left alone": {unreadable{errBoom}, transient, transient},
		"a lock that another process has":  {sharing.ErrLockHeld, transient, transient},
		"a slot that was not had":          {task.ErrBusy, transient, transient},
	} {
		assert.Equal(t, tt.refresh, classifyRefresh(tt.err), name)
		assert.Equal(t, tt.login, classifyLogin(tt.err), name)
	}
}

func TestClassify_OnlyARejectionIsTerminal(t *testing.T) {
	for _, status := range []int{0, 200, 201, 204, 300, 302, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503, 504} {
		for _, code := range []int{0, 20001, 20002, 20003, 20004, 20007, 20018, 20020, 20021} {
			for _, malformed := range []bool{false, true} {
				e := &ags.Error{Status: status, Code: code, Malformed: malformed}
				want := !malformed && (status == 401 || status == 403 && (code == 20003 || code == 20020))
				assert.Equal(t, want, classifyRefresh(e) == lifecycle.Terminal, e)
				assert.Equal(t, want, classifyRefresh(errors.Join(errBoom, e)) == lifecycle.Terminal, e)
				assert.False(t, want && isOutcomeUnknown(e), "the outcome of a rejection is known")
			}
		}
	}
	assert.NotEqual(t, lifecycle.Terminal, classifyRefresh(&ags.Error{NotSent: true}))
}
