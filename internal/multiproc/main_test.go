package multiproc_test

import (
	"testing"

	"github.com/agsauth/agsauth/internal/multiproc"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

func TestMain(m *testing.M) {
	multiproc.Main(m, func(path string) (tokensource.Store, error) { return &store.File{Path: path}, nil })
}
