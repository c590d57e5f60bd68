package ags

// hidden keeps a value from being printed with the struct that holds it. It is
// behind two pointers: fmt follows one to a struct, by the way of a verb that
// does not fit it, and calls no methods of what is not exported.
type hidden[T any] struct{ value **T }

func hideValue[T any](v T) hidden[T] {
	p := &v
	return hidden[T]{&p}
}

// get returns the value, nil for the zero hidden.
func (h hidden[T]) get() *T {
	if h.value == nil {
		return nil
	}
	return *h.value
}
