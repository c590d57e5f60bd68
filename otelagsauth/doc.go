// Package otelagsauth exports metrics and traces of Sources to OpenTelemetry.
//
//	telemetry, err := otelagsauth.New()
//	…
//	cfg := telemetry.Instrument(tokensource.Config{Refresher: gateway, Store: file})
//	session, err := tokensource.New(cfg)
//	…
//	defer session.Close()
//	defer telemetry.Observe(session, cfg)()
//
// Make one Instrumentation for a program. A call that is answered with a cached token is
// not measured, and takes no longer.
//
// # Metrics
//
//	agsauth.session.count             up-down counter  {session}  phase, login
//	agsauth.session.expiry            gauge            s          login
//	agsauth.session.ended             counter          {session}  reason
//	agsauth.refresh.duration          histogram        s          outcome, error.type
//	agsauth.login.duration            histogram        s          outcome, error.type
//	agsauth.store.operation.duration  histogram        s          op, outcome
//
// agsauth.session.count and agsauth.session.expiry include the Sources that
// [Instrumentation.Observe] was called for. The other metrics include every Source whose
// Config was instrumented. A session with a Login can have ended without a fault: it signs
// on when somebody asks for a token. A program that begins with an empty store counts an
// end with the reason no_session.
//
// agsauth.session.expiry is a Unix time, not a duration: subtract the current time to get
// the time that is left. It is the earliest time at which one of the sessions ends if it is
// neither refreshed nor replaced. That is the expiry of its refresh token or its fixed
// horizon, whichever comes first. Sessions that have ended, or whose end is unknown, are
// left out. If no session is left, the metric has no value.
//
// agsauth.refresh.duration and agsauth.login.duration record the Duration of each
// [tokensource.Event] that tells the outcome of a refresh or login. If the answer of a
// refresh was lost and the gateway was asked again, both requests are one refresh. A
// refresh that failed before the gateway was asked is recorded with a duration of 0.
//
// The histograms have advisory bucket boundaries that fit the timeouts of a Source. A view of the
// SDK can replace them.
//
// # Attributes
//
// All values are from closed sets. No account, client identifier, URL, path or text of an
// error is exported.
//
//	phase       unknown, fresh, ageing, expired, ended
//	login       automatic, manual
//	reason      no_session, refresh_expired, fixed_expired, refresh_rejected, signed_out
//	outcome     success, failure, conflict, timeout, canceled
//	error.type  other, timeout, unavailable, protocol, unauthorized, forbidden, refused, store
//	op          load, save, delete, lock, unlock, set_aside
//
// For phase see [tokensource.Phase], and for error.type [tokensource.ErrorClass]. login is
// automatic if Config.Login is set. error.type is set only if the outcome is failure.
//
// The last three outcomes are those of a store. A conflict is a save that found the record
// of another process. A timeout is a call that failed because its time had passed; a lock
// that times out is held by another process. A canceled call is one that the Source no
// longer needed. A load that finds nothing is a success.
//
// # Spans
//
// Each call of the Refresher has a span named agsauth.refresh, and each call of Login one
// named agsauth.login, both with the attributes outcome and error.type. Such a span is the
// root of its own trace. It is linked to the span of the request that caused the call and
// is not its child, because the call may outlive that request and serves other requests,
// too. The spans of an instrumented HTTP client that makes the call are its children.
//
// # Dashboard and alerts
//
// The folder of this module contains dashboard.json, a dashboard for Grafana, and
// alerts.yml, alert rules for Prometheus. Both use the names that the Prometheus exporter
// of OpenTelemetry gives to the metrics, such as agsauth_refresh_duration_seconds_count.
package otelagsauth
