package admission_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource/internal/admission"
)

func TestQueue_TheExpiredGetOneStartInSixteen(t *testing.T) {
	var q admission.Queue
	now := time.Hour
	for i := range 40 {
		q.Push(&admission.Ticket{Urgency: admission.Due, Expiry: time.Duration(i) * time.Second}, now)
	}
	for i := range 160 {
		q.Push(&admission.Ticket{Urgency: admission.Due, Expiry: now + time.Duration(1+i)*time.Second}, now)
	}
	var expired []int
	var last time.Duration
	for i := range 160 {
		started, _ := q.Next(now)
		require.NotNil(t, started)
		if started.Expiry <= now {
			expired = append(expired, i)
			assert.Equal(t, time.Duration(len(expired)-1)*time.Second, started.Expiry, "in the order of arrival")
			continue
		}
		require.Greater(t, started.Expiry, last)
		last = started.Expiry
	}
	assert.Equal(t, []int{15, 31, 47, 63, 79, 95, 111, 127, 143, 159}, expired)
}
