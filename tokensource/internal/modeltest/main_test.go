package modeltest_test

import (
	"testing"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// start is when every scenario begins.
var start = time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC)

// mark is part of every secret: text with the mark in it has leaked one.
const mark = "S3CR3T"

// What a gateway answers, when it refuses or fails.
var (
	errUnauthorized  = &ags.Error{Op: "refresh", Status: 401, Message: "unauthorised"}
	errDeviceDeleted = &ags.Error{Op: "refresh", Status: 403, Code: 20003, Message: "device deleted"}
	errSuspended     = &ags.Error{Op: "refresh", Status: 403, Code: 20002, Message: "account suspended"}
	errBusy          = &ags.Error{Op: "refresh", Status: 503, Message: "busy"}
	errLost          = &ags.Error{Op: "refresh", Message: "connection reset"}
	errRefused       = &ags.Error{Op: "refresh", NotSent: true, Message: "connection refused"}
)
