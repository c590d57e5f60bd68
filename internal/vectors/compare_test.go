package vectors_test

import (
	"encoding/json"
	"reflect"
)

func pretty(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// mask takes from got what want does not say and need not say. A field that is
// always checked says so in its tag.
func mask(want, got reflect.Value) {
	switch {
	case is(want, reflect.Pointer):
		if want.IsNil() {
			got.SetZero()
		} else if !got.IsNil() {
			mask(want.Elem(), got.Elem())
		}
	case is(want, reflect.Struct):
		for i := range want.NumField() {
			if want.Type().Field(i).Tag.Get("check") != "always" {
				mask(want.Field(i), got.Field(i))
			}
		}
	case is(want, reflect.Slice):
		for i := range min(want.Len(), got.Len()) {
			mask(want.Index(i), got.Index(i))
		}
	case is(want, reflect.Map):
		for _, key := range got.MapKeys() {
			if w := want.MapIndex(key); w.IsValid() {
				g := reflect.New(want.Type().Elem()).Elem()
				g.Set(got.MapIndex(key))
				mask(w, g)
				got.SetMapIndex(key, g)
			}
		}
	}
}
