// Package otelagsauth exports metrics and traces of Sources by OpenTelemetry.
//
//	telemetry, err := otelagsauth.New()
//	…
//	cfg := telemetry.Instrument(tokensource.Config{Refresher: gateway, Store: file})
//	session, err := tokensource.New(cfg)
//	…
//	defer session.Close()
//	defer telemetry.Observe(session, cfg)()
//
// A call that is answered with a cached token is not measured and takes no longer.
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
// agsauth.session.count and agsauth.session.expiry tell of the Sources that
// [Instrumentation.Observe] was called for. The others tell of all whose Config was
// instrumented. A session with a Login may be ended only until somebody asks for a token.
//
// agsauth.session.expiry is not a duration. It is the Unix time at which the first of the
// sessions ends if it is neither refreshed nor signed on again: the earlier of the refresh
// token's expiry and the fixed horizon. Subtract the current time to get the seconds that
// are left. Sessions that have ended, or whose end is unknown, are left out. If all are,
// there is no value.
//
// agsauth.refresh.duration and agsauth.login.duration have one measurement for each
// [tokensource.Event] that tells an outcome, with its Duration. A refresh that asked the
// gateway twice, because the first answer was lost, is one measurement. So is one that
// failed before it could ask the gateway, with a duration of 0.
//
// # Attributes
//
// All values are from closed sets. No account, client identifier, URL, path or error text
// is exported.
//
//	phase       unknown, fresh, ageing, expired, ended; see [tokensource.Phase]
//	login       automatic (Config.Login is set), manual
//	reason      no_session, refresh_expired, fixed_expired, refresh_rejected, signed_out
//	outcome     success, failure; of a store also conflict, timeout, canceled
//	error.type  the classes of [tokensource.ErrorClass]; only with the outcome failure
//	op          load, save, delete, lock, unlock, set_aside
//
// A conflict is a save that has found the record of another process. A timeout is a call
// of the store that failed because its time had passed; of lock, it says that somebody
// else holds the lock. A load that finds nothing is a success.
//
// # Spans
//
// Each call of the Refresher is a span named agsauth.refresh, and each call of Login a
// span named agsauth.login, with the attributes outcome and error.type. The span is the
// root of a new trace. It has a link to the span of the request that caused the call, and
// is not its child: it can outlive that request, and serves others. Spans of the client
// that the call uses are its children.
//
// # Dashboard and alerts
//
// The module's folder has a dashboard for Grafana, dashboard.json, and alert rules for
// Prometheus, alerts.yml. Both expect the names that OpenTelemetry's exporter for
// Prometheus and the OTLP receiver of Prometheus make of those above, such as
// agsauth_refresh_duration_seconds_count.
package otelagsauth
