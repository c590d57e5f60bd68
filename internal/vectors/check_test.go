package vectors_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
)

// check returns an error for a mistake that the format alone does not exclude.
func (v *vector) check() error {
	if v.Name == "" || v.Rule == "" || v.From == "" {
		return errors.New("a vector needs a name, a rule and a source")
	}
	for i := range v.Steps {
		if err := v.Steps[i].checkExpected(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return v.runnable()
}

// runnable returns an error if a vector cannot be run, whatever it expects.
func (v *vector) runnable() error {
	if len(v.Steps) == 0 || len(v.Steps) > maxSteps {
		return errors.New("no steps, or too many")
	}
	if err := withinReason(reflect.ValueOf(*v)); err != nil {
		return err
	}
	if s := v.Given.Settings; s != nil && min(s.RefreshBefore, s.RefreshTimeout, s.LockTimeout, s.StoreTimeout, s.WarnBefore) < 0 {
		return errors.New("a setting below zero")
	}
	if !validDraw(v.Given.Draw) {
		return errors.New("a draw that is not from [0,1)")
	}
	for i := range v.Steps {
		if err := v.Steps[i].runnable(v.Given.Store != nil); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

func validDraw(draw float64) bool { return draw >= 0 && draw < 1 }

const (
	maxSteps = 100
	// maxSpan is the longest span in a vector, a century: the sum of a few does not
	// overflow a time.Duration.
	maxSpan = seconds(100 * 365 * 24 * 3600)
	// maxCount is the greatest count in a vector.
	maxCount = 1000000
)

// withinReason returns an error for a number that no vector needs. The library
// promises nothing for such numbers.
func withinReason(v reflect.Value) error {
	switch {
	case isKind(v, reflect.Float64):
		if math.Abs(v.Float()) > float64(maxSpan) {
			return errors.New("a number beyond reason")
		}
	case isKind(v, reflect.Int, reflect.Int64):
		if v.Int() < 0 || v.Int() > maxCount {
			return errors.New("a count beyond reason")
		}
	case isKind(v, reflect.Pointer):
		if !v.IsNil() {
			return withinReason(v.Elem())
		}
	case isKind(v, reflect.Slice):
		for i := range v.Len() {
			if err := withinReason(v.Index(i)); err != nil {
				return err
			}
		}
	case isKind(v, reflect.Struct):
		for _, field := range v.Fields() {
			if err := withinReason(field); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *step) runnable(withStore bool) error {
	acts := fieldsSet(s.action)
	switch {
	case acts > 1:
		return errors.New("more than one action")
	case acts == 0 && s.After == 0 && s.Answers == nil && s.Draw == nil:
		return errors.New("nothing happens")
	case s.After < 0:
		return errors.New("time cannot run backwards")
	case s.Draw != nil && !validDraw(*s.Draw):
		return errors.New("a draw that is not from [0,1)")
	case !withStore && (s.Store != nil || s.Neighbour != nil):
		return errors.New("there is no store")
	case s.Store != nil && !s.Store.known():
		return errors.New("unknown behaviour of a store")
	case s.Neighbour != nil && fieldsSet(*s.Neighbour)-fieldsSet(struct{ G *int64 }{s.Neighbour.Generation}) != 1:
		return errors.New("a neighbour needs one action")
	}
	return nil
}

// known reports whether a store can behave so.
func (b *behaviour) known() bool {
	known := func(word, also string) bool {
		return slices.Contains([]string{"", "works", "fails", "hangs", also}, word)
	}
	return known(b.Load, "repairs") && known(b.Save, "lost") && known(b.Lock, "unsupported")
}

// checkExpected returns an error for an expectation that makes no sense.
func (s *step) checkExpected() error {
	switch {
	case s.answered() && (s.Expect == nil || s.Expect.Answer == nil):
		return errors.New("a call without an expected answer")
	case !s.answered() && s.Expect != nil && s.Expect.Answer != nil:
		return errors.New("an expected answer without a call")
	case s.Leave != nil && (s.Expect == nil || len(s.Expect.Later) == 0):
		return errors.New("leave without an expected answer")
	}
	for _, o := range s.outcomes() {
		if fieldsSet(o) != 1 {
			return errors.New("an answer needs one field")
		}
	}
	return nil
}

// answered reports whether the action is a call, which has an answer.
func (s *step) answered() bool {
	return s.Ask != nil || s.SetToken != nil || s.SignOut != nil || s.Sync != nil || s.Run != nil || s.Close != nil
}

func (s *step) outcomes() []outcome {
	if s.Expect == nil {
		return nil
	}
	var all []outcome
	if s.Expect.Answer != nil {
		all = append(all, *s.Expect.Answer)
	}
	for _, o := range s.Expect.Later {
		all = append(all, o)
	}
	return all
}

// fieldsSet returns how many fields of a struct are not zero.
func fieldsSet(s any) int {
	n := 0
	for _, field := range reflect.ValueOf(s).Fields() {
		if !field.IsZero() {
			n++
		}
	}
	return n
}

// isKind reports whether a value or a type is of one of some kinds. A switch on the
// kind would have to name all kinds.
func isKind(v interface{ Kind() reflect.Kind }, kinds ...reflect.Kind) bool {
	return slices.Contains(kinds, v.Kind())
}
