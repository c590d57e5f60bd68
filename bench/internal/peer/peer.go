// Package peer has the peers, each with the settings that suit it best.
package peer

import "github.com/agsauth/agsauth/bench/internal/impl"

// All returns the implementations, the floor first and this library second.
func All() []impl.Implementation {
	return append(impl.Own(),
		oauth2Implementation(), googleImplementation(), azcoreImplementation(),
		awsImplementation(), smithyImplementation(), clientGoImplementation(), ghinstallationImplementation())
}
