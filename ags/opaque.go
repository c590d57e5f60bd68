package ags

// opaque hides a value when the struct that holds it is printed. Two pointers are
// needed: fmt calls no methods on unexported fields, and follows one pointer to a
// struct if a verb does not match the type.
type opaque[T any] struct{ value **T }

func newOpaque[T any](v T) opaque[T] {
	p := &v
	return opaque[T]{&p}
}

// get returns the value, nil for the zero opaque.
func (o opaque[T]) get() *T {
	if o.value == nil {
		return nil
	}
	return *o.value
}
