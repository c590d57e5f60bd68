package ags

// opaque keeps a value from being printed with the struct that holds it. It is
// behind two pointers: fmt follows one to a struct, by the way of a verb that
// does not fit it, and calls no methods of what is not exported.
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
