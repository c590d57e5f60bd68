// Package peer has the peers, each with the settings that suit it best.
package peer

import "github.com/agsauth/agsauth/bench/internal/rival"

// All returns the contestants, the floor first and this library second.
func All() []rival.Contestant {
	return append(rival.Own(),
		oauth2Contestant(), googleContestant(), azureContestant(),
		awsContestant(), smithyContestant(), clientGoContestant(), ghContestant())
}
