package sharing

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func FuzzRecord(f *testing.F) {
	const mark = "S3CR3T"
	for _, seed := range []string{
		``, `{}`, `null`, `[]`, `{"version":1}`, `{"version":2,"access_token":"S3CR3T"}`,
		`{"version":1,"generation":1,"access_token":"S3CR3T","expires_at":"2022-06-10T15:04:53Z"}`,
		`{"version":1,"generation":1,"signed_out_at":"2022-06-10T15:04:53Z"}`,
		`{"version":1,"generation":-1,"access_token":"S3CR3T"}`, `{"version":1,"generation":1,"access_token":"S3CR3T","expires_at":"S3CR3T"}`,
		"agsauth-sealed\x01S3CR3T",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decode(data)
		if err != nil {
			assert.Nil(t, r)
			assert.NotContains(t, err.Error(), mark)
			assert.NotEqual(t, errors.Is(err, ErrDamaged), MustLeaveAlone(err), "a record is damaged or to be left alone")
			return
		}
		assert.Positive(t, r.Generation)
		assert.True(t, r.IsSignOut() || r.AccessToken != "")
		again, err := r.encode()
		require.NoError(t, err)
		same, err := decode(again)
		require.NoError(t, err)
		assert.Equal(t, r.Generation, same.Generation)
		assert.Equal(t, r.AccessToken, same.AccessToken)
		assert.True(t, r.ExpiresAt.Equal(same.ExpiresAt))
	})
}
