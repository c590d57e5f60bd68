// Package peer contains the other libraries, each with the settings that suit it
// best.
package peer

import "github.com/agsauth/agsauth/bench/internal/impl"

// All returns all implementations, beginning with the floor and this library.
func All() []impl.Implementation {
	return append(impl.Own(),
		oauth2Implementation(), googleImplementation(), azcoreImplementation(),
		awsImplementation(), smithyImplementation(), clientGoImplementation(), ghinstallationImplementation())
}
