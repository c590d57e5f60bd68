// Package telemetry checks the Source together with OpenTelemetry's instrumentation.
package telemetry
