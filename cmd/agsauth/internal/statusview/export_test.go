package statusview

// Human is human.
var Human = human
