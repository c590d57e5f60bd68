package vectors_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
)

// check returns what is wrong with a vector that the format alone does not tell.
func (v *vector) check() error {
	if v.Name == "" || v.Rule == "" || v.From == "" {
		return errors.New("a vector has a name, a rule, and where it comes from")
	}
	for i := range v.Steps {
		if err := v.Steps[i].checkExpected(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return v.playable()
}

// playable returns why a vector cannot be played, whatever it expects.
func (v *vector) playable() error {
	if len(v.Steps) == 0 || len(v.Steps) > maxSteps {
		return errors.New("no steps, or too many")
	}
	if err := withinReason(reflect.ValueOf(*v)); err != nil {
		return err
	}
	if s := v.Given.Settings; s != nil && min(s.RefreshBefore, s.RefreshTimeout, s.LockTimeout, s.StoreTimeout, s.WarnBefore) < 0 {
		return errors.New("a setting below zero")
	}
	if !drawn(v.Given.Draw) {
		return errors.New("a draw that is not from [0,1)")
	}
	for i := range v.Steps {
		if err := v.Steps[i].playable(v.Given.Store != nil); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

func drawn(draw float64) bool { return draw >= 0 && draw < 1 }

const (
	maxSteps = 100
	// farthest is the longest span in a vector, a century: sums of a few are still
	// spans.
	farthest = seconds(100 * 365 * 24 * 3600)
	// most is the greatest number of anything that is counted.
	most = 1000000
)

// withinReason returns an error for a number that no vector needs, and for which
// nothing is promised.
func withinReason(v reflect.Value) error {
	switch {
	case is(v, reflect.Float64):
		if math.Abs(v.Float()) > float64(farthest) {
			return errors.New("a number beyond reason")
		}
	case is(v, reflect.Int, reflect.Int64):
		if v.Int() < 0 || v.Int() > most {
			return errors.New("a count beyond reason")
		}
	case is(v, reflect.Pointer):
		if !v.IsNil() {
			return withinReason(v.Elem())
		}
	case is(v, reflect.Slice):
		for i := range v.Len() {
			if err := withinReason(v.Index(i)); err != nil {
				return err
			}
		}
	case is(v, reflect.Struct):
		for _, field := range v.Fields() {
			if err := withinReason(field); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *step) playable(withStore bool) error {
	acts := fieldsSet(s.action)
	switch {
	case acts > 1:
		return errors.New("more than one action")
	case acts == 0 && s.After == 0 && s.Answers == nil && s.Draw == nil:
		return errors.New("nothing happens")
	case s.After < 0:
		return errors.New("time does not run backwards")
	case s.Draw != nil && !drawn(*s.Draw):
		return errors.New("a draw that is not from [0,1)")
	case !withStore && (s.Store != nil || s.Neighbour != nil):
		return errors.New("there is no store")
	case s.Store != nil && !s.Store.known():
		return errors.New("a store does not behave so")
	case s.Neighbour != nil && fieldsSet(*s.Neighbour)-fieldsSet(struct{ G *int64 }{s.Neighbour.Generation}) != 1:
		return errors.New("a neighbour does one thing")
	}
	return nil
}

// known reports whether there is such a behaviour.
func (b *behaviour) known() bool {
	known := func(word, also string) bool {
		return slices.Contains([]string{"", "works", "fails", "hangs", also}, word)
	}
	return known(b.Load, "repairs") && known(b.Save, "lost") && known(b.Lock, "unsupported")
}

// checkExpected returns what is wrong with what is expected.
func (s *step) checkExpected() error {
	switch {
	case s.answered() && (s.Expect == nil || s.Expect.Answer == nil):
		return errors.New("a call, and no answer is expected")
	case !s.answered() && s.Expect != nil && s.Expect.Answer != nil:
		return errors.New("an answer is expected, and there is no call")
	case s.Leave != nil && (s.Expect == nil || len(s.Expect.Later) == 0):
		return errors.New("somebody leaves, and no answer is expected")
	}
	for _, o := range s.outcomes() {
		if fieldsSet(o) != 1 {
			return errors.New("an answer is one thing")
		}
	}
	return nil
}

// answered reports whether the action is a call that has an answer.
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

// is reports whether a value, or a type, is of one of some kinds. (A switch on the
// kind itself would have to name them all.)
func is(v interface{ Kind() reflect.Kind }, kinds ...reflect.Kind) bool {
	return slices.Contains(kinds, v.Kind())
}
