package tokensource_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What random stories of whole Sources have found, each told as shortly as it can be.

func TestFound_AnUnlockThatHangsHoldsUpNobodyAtTheStart(t *testing.T) {
	onGatedShelf(t, func(t *testing.T, r *rig, shelf *gatedShelf) {
		shelf.unlocking.close()
		r.want("a1")
		shelf.unlocking.open()
		assert.Zero(t, r.gw.count())
	})
}
