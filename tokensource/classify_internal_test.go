package tokensource

import (
	"context"
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

// unreadable is the error of a store whose record must be left alone.
type unreadable struct{ error }

func (unreadable) LeaveAlone() bool { return true }

func TestClassify(t *testing.T) {
	const transient, refused, terminal = lifecycle.Transient, lifecycle.Refused, lifecycle.Terminal
	const known, unknown, lost, kept = false, true, true, false
	errBoom, errCut := errors.New("boom"), io.ErrUnexpectedEOF
	for name, tt := range map[string]struct {
		err            error
		refresh, login lifecycle.Class
		outcome        bool // whether it is unknown
		answer         bool // whether it is lost
	}{
		"401":                             {&ags.Error{Status: 401}, terminal, refused, known, kept},
		"401, wrapped":                    {fmt.Errorf("wrapped: %w", &ags.Error{Status: 401}), terminal, refused, known, kept},
		"401 after a lost answer":         {&ags.Error{Status: 401, OutcomeUnknown: true}, terminal, refused, unknown, kept},
		"unauthorized without an answer":  {ags.ErrUnauthorized, terminal, refused, unknown, kept},
		"403 account suspended":           {&ags.Error{Status: 403, Code: 20002}, refused, refused, known, kept},
		"403 device deleted":              {&ags.Error{Status: 403, Code: 20003}, terminal, refused, known, kept},
		"403 validity check":              {&ags.Error{Status: 403, Code: 20020}, terminal, refused, known, kept},
		"403 device limit":                {&ags.Error{Status: 403, Code: 20007}, refused, refused, known, kept},
		"403 of a firewall":               {&ags.Error{Status: 403, Malformed: true}, transient, transient, known, kept},
		"forbidden without an answer":     {ags.ErrForbidden, refused, refused, unknown, kept},
		"200, account suspended":          {&ags.Error{Status: 200, Code: 20002, Refusal: true}, refused, refused, known, kept},
		"200, refused":                    {&ags.Error{Status: 200, Refusal: true}, terminal, refused, known, kept},
		"400":                             {&ags.Error{Status: 400}, refused, refused, known, kept},
		"400, cut off":                    {&ags.Error{Status: 400, Err: errCut}, refused, refused, known, kept},
		"404":                             {&ags.Error{Status: 404}, refused, refused, known, kept},
		"408":                             {&ags.Error{Status: 408}, transient, transient, known, kept},
		"408 of a proxy":                  {&ags.Error{Status: 408, NotFromGateway: true}, transient, transient, unknown, kept},
		"425":                             {&ags.Error{Status: 425}, transient, transient, known, kept},
		"429":                             {&ags.Error{Status: 429}, transient, transient, known, kept},
		"500":                             {&ags.Error{Status: 500}, transient, transient, known, kept},
		"502":                             {&ags.Error{Status: 502}, transient, transient, unknown, kept},
		"503":                             {&ags.Error{Status: 503}, transient, transient, known, kept},
		"503, cut off":                    {&ags.Error{Status: 503, Err: errCut}, transient, transient, known, kept},
		"503 of a proxy":                  {&ags.Error{Status: 503, NotFromGateway: true}, transient, transient, unknown, kept},
		"504":                             {&ags.Error{Status: 504}, transient, transient, unknown, kept},
		"520 of a proxy, wrapped":         {fmt.Errorf("wrapped: %w", &ags.Error{Status: 520, NotFromGateway: true}), transient, transient, unknown, kept},
		"200, malformed":                  {&ags.Error{Status: 200, Malformed: true}, transient, transient, unknown, kept},
		"200, cut off":                    {&ags.Error{Status: 200, Err: errCut, Malformed: true}, transient, transient, unknown, lost},
		"201, cut off":                    {&ags.Error{Status: 201, Err: errCut, Malformed: true}, transient, transient, unknown, lost},
		"no status":                       {&ags.Error{Malformed: true}, transient, transient, unknown, kept},
		"a status that HTTP has not":      {&ags.Error{Status: 999, Malformed: true}, transient, transient, unknown, kept},
		"no answer":                       {&ags.Error{}, transient, transient, unknown, lost},
		"never sent":                      {&ags.Error{NotSent: true}, transient, transient, known, kept},
		"an error of a user's code":       {errBoom, transient, refused, unknown, kept},
		"a timeout":                       {task.ErrTimeout, transient, refused, unknown, kept},
		"a store that is away":            {&sharing.Error{Op: "load", Err: errBoom}, transient, transient, unknown, kept},
		"a damaged record":                {sharing.ErrDamaged, transient, transient, unknown, kept},
		"a record to be left alone":       {unreadable{errBoom}, transient, transient, unknown, kept},
		"a lock that another process has": {sharing.ErrLockHeld, transient, transient, unknown, kept},
		"a slot that was not had":         {task.ErrBusy, transient, transient, unknown, kept},
	} {
		assert.Equal(t, [2]lifecycle.Class{tt.refresh, tt.login}, [2]lifecycle.Class{classifyRefresh(tt.err), classifyLogin(tt.err)}, name)
		assert.Equal(t, tt.outcome, isOutcomeUnknown(tt.err), name)
		assert.Equal(t, tt.answer, isAnswerLost(tt.err), name)
		_, isOfGateway := errors.AsType[*ags.Error](tt.err)
		assert.Equal(t, tt.answer || !isOfGateway, isAnswerLate(tt.err), name)
	}
	assert.False(t, isAnswerLate(nil))
}

func TestClassifyRefresh_OnlyARejectionIsTerminal(t *testing.T) {
	for _, status := range []int{0, 200, 201, 204, 300, 302, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503, 504} {
		for _, code := range []int{0, 20001, 20002, 20003, 20004, 20007, 20018, 20020, 20021} {
			for _, malformed := range []bool{false, true} {
				e := &ags.Error{Status: status, Code: code, Malformed: malformed}
				want := !malformed && (status == 401 || status == 403 && (code == 20003 || code == 20020))
				assert.Equal(t, want, classifyRefresh(e) == lifecycle.Terminal, e)
				assert.Equal(t, want, classifyRefresh(errors.Join(io.EOF, e)) == lifecycle.Terminal, e)
				assert.False(t, want && isOutcomeUnknown(e), "the outcome of a rejection is known")
			}
		}
	}
}

func TestClassOf(t *testing.T) {
	boom := errors.New("boom")
	for want, errs := range map[ErrorClass][]error{
		0:                 {nil},
		ClassOther:        {boom, errNoToken, lifecycle.ErrDeadAnswer},
		ClassTimeout:      {task.ErrTimeout, &ags.Error{Err: context.DeadlineExceeded}, fmt.Errorf("wrapped: %w", task.ErrTimeout)},
		ClassUnavailable:  {&ags.Error{}, &ags.Error{Status: 503}, &ags.Error{Status: 429}, &UnavailableError{Err: &ags.Error{Status: 500}}},
		ClassProtocol:     {&ags.Error{Status: 200, Malformed: true}},
		ClassUnauthorized: {&ags.Error{Status: 401}, &LoginRequiredError{Err: &ags.Error{Status: 401}}},
		ClassForbidden:    {&ags.Error{Status: 403, Code: 20002}},
		ClassRefused:      {&ags.Error{Status: 400}, &ags.Error{Status: 404}},
		ClassStore:        {&sharing.Error{Op: "load", Err: boom}, sharing.ErrLockHeld, unreadable{boom}, task.ErrBusy, &sharing.Error{Op: "save", Err: context.DeadlineExceeded}},
	} {
		for _, err := range errs {
			assert.Equal(t, want.String(), ClassOf(err).String(), "%v", err)
		}
	}
	names := map[string]bool{}
	for c := ErrorClass(0); c <= ClassStore; c++ {
		names[c.String()] = true
	}
	assert.Len(t, names, int(ClassStore)+1)
	assert.Equal(t, "none", (ClassStore + 1).String())
}

func TestIsFinal(t *testing.T) {
	for _, err := range []error{ErrLoginRequired, ErrClosed, &LoginRequiredError{}, &LoginRequiredError{Err: &ags.Error{Status: 401}}, fmt.Errorf("wrapped: %w", &LoginRequiredError{Reason: SignedOut})} {
		assert.True(t, IsFinal(err), "%v", err)
	}
	for _, err := range []error{
		nil, errors.New("boom"), context.Canceled, &UnavailableError{Err: &ags.Error{Status: 401}},
		&LoginRequiredError{Err: &ags.Error{Status: 503}}, &LoginRequiredError{Err: &ags.Error{Status: 200, Malformed: true}},
	} {
		assert.False(t, IsFinal(err), "%v", err)
	}
}
