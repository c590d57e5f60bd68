package telemetry_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/log/embedded"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/tokensource"
)

// records is a provider of a logger that keeps its records. It is safe for concurrent
// use.
type records struct {
	embedded.LoggerProvider

	mu   sync.Mutex
	kept []log.Record
}

// Logger implements [log.LoggerProvider].
func (r *records) Logger(string, ...log.LoggerOption) log.Logger { return recorder{records: r} }

func (r *records) all() []log.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept
}

type recorder struct {
	embedded.Logger

	records *records
}

// Emit implements [log.Logger].
func (r recorder) Emit(_ context.Context, record log.Record) {
	r.records.mu.Lock()
	defer r.records.mu.Unlock()
	r.records.kept = append(r.records.kept, record.Clone())
}

// Enabled implements [log.Logger].
func (recorder) Enabled(context.Context, log.EnabledParameters) bool { return true }

func TestOtelslog_HasTheSourcesRecordsWithoutTokens(t *testing.T) {
	var kept records
	e := harness.NewEnv(t, func(config *tokensource.Config) {
		config.Logger = otelslog.NewLogger("agsauth", otelslog.WithLoggerProvider(&kept))
	})
	_, err := e.Source.TokenContext(t.Context())
	require.NoError(t, err)
	e.NextLife()
	_, err = e.Source.TokenContext(t.Context())
	require.NoError(t, err)
	e.EndSession()
	_, err = e.Source.TokenContext(t.Context())
	require.ErrorIs(t, err, tokensource.ErrLoginRequired)
	require.NoError(t, e.Source.Close()) // after it no record follows

	severities := map[log.Severity]int{}
	for _, record := range kept.all() {
		severities[record.Severity()]++
		text := record.Body().String()
		record.WalkAttributes(func(a attribute.KeyValue) bool {
			text += fmt.Sprintf(" %s=%v", a.Key, a.Value.AsInterface())
			return true
		})
		assert.False(t, e.HasToken(text), "a record has a token: %q", record.Body())
	}
	assert.Equal(t, map[log.Severity]int{log.SeverityDebug: 1, log.SeverityWarn: 1}, severities, "a refresh, and the end of the session")
}
