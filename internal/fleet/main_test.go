package fleet_test

import (
	"testing"

	"github.com/agsauth/agsauth/internal/fleet"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

func TestMain(m *testing.M) {
	fleet.Main(m, func(path string) (tokensource.Store, error) { return &store.File{Path: path}, nil })
}
