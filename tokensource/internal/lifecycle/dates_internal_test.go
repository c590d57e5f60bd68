package lifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestDates_AreKeptAsTheyAre(t *testing.T) {
	var d dates
	for _, want := range []time.Time{
		{},
		time.Unix(0, 0).UTC(),
		time.Unix(0, 0),
		time.Unix(1, 999_999_999),
		time.Unix(-1, 1).UTC(),
		time.Date(2022, 6, 10, 15, 4, 53, 640_000_000, time.UTC),
		time.Date(2022, 6, 10, 15, 4, 53, 640_000_000, time.Local),
		time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
	} {
		for which := range dateCount {
			d.set(which, want)
			assert.Equal(t, want, d.get(which))
		}
	}
	zone := time.Date(2022, 6, 10, 15, 4, 53, 0, time.FixedZone("", 3600))
	d.set(issued, zone)
	assert.Equal(t, zone.UTC(), d.get(issued))
}
