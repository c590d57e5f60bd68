package vectors_test

import (
	"encoding/json"
	"reflect"
)

func toJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// mask clears the optional fields of got that want does not set. The tag
// check:"always" marks a field that is not optional.
func mask(want, got reflect.Value) {
	switch {
	case isKind(want, reflect.Pointer):
		if want.IsNil() {
			got.SetZero()
		} else if !got.IsNil() {
			mask(want.Elem(), got.Elem())
		}
	case isKind(want, reflect.Struct):
		for i := range want.NumField() {
			if want.Type().Field(i).Tag.Get("check") != "always" {
				mask(want.Field(i), got.Field(i))
			}
		}
	case isKind(want, reflect.Slice):
		for i := range min(want.Len(), got.Len()) {
			mask(want.Index(i), got.Index(i))
		}
	case isKind(want, reflect.Map):
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
