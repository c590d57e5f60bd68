// Package docs_test checks the documentation: its code, its links, and the tests
// that it names.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	root           = ".." // of the repository
	readme         = root + "/README.md"
	maxReadmeLines = 150
)

// TestDocs_CodeIsInExamples checks that every Go block in the documentation
// is part of an example, which the tests compile and run.
func TestDocs_CodeIsInExamples(t *testing.T) {
	var examples string
	for _, path := range glob(t, "*_test.go", "agstest/*_test.go") {
		examples += flat(read(t, path))
	}
	blocks := 0
	for _, page := range pages(t) {
		blocks += checkCode(t, page, examples)
	}
	assert.Greater(t, blocks, 4)
}

func checkCode(t *testing.T, page, examples string) (blocks int) {
	t.Helper()
	found := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, page), -1)
	for _, block := range found {
		code := block[1]
		if head, body, whole := strings.Cut(code, "func main() {\n"); whole {
			assert.Less(t, strings.Count(code, "\n"), 40)
			for _, path := range regexp.MustCompile(`"(\S+)"`).FindAllString(head, -1) {
				assert.Contains(t, examples, path, "an import that no example has")
			}
			code = strings.TrimSuffix(body, "}\n")
		}
		assert.Contains(t, examples, flat(code), page)
	}
	return len(found)
}

// TestDocs_NamedTestsExist checks that every test that the documentation
// names exists.
func TestDocs_NamedTestsExist(t *testing.T) {
	tests, named := testNames(t), regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+)`")
	require.Len(t, named.FindAllString(read(t, readme), -1), 16)
	for _, page := range pages(t) {
		for _, name := range named.FindAllStringSubmatch(read(t, page), -1) {
			assert.True(t, tests[name[1]], "%s names %s", page, name[1])
		}
	}
}

// TestDocs_LinksResolve checks that every file that the documentation links
// to exists, and that README.md stays short.
func TestDocs_LinksResolve(t *testing.T) {
	for _, page := range pages(t) {
		for _, link := range regexp.MustCompile(`\]\(([^)#]+)`).FindAllStringSubmatch(read(t, page), -1) {
			if !strings.Contains(link[1], "://") {
				_, err := os.Stat(filepath.Join(filepath.Dir(page), link[1]))
				assert.NoError(t, err, page)
			}
		}
	}
	assert.LessOrEqual(t, strings.Count(read(t, readme), "\n"), maxReadmeLines)
}

// pages returns the paths of the documentation's pages.
func pages(t *testing.T) []string {
	t.Helper()
	all := glob(t, "*.md", "docs/*.md", "docs/adr/*.md", "bench/*.md")
	require.Greater(t, len(all), 6)
	return all
}

// glob returns the files that match at least one of the patterns, which are relative
// to the root. Each pattern must match.
func glob(t *testing.T, patterns ...string) []string {
	t.Helper()
	var all []string
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		require.NotEmpty(t, paths, pattern)
		all = append(all, paths...)
	}
	return all
}

// testNames returns the names of all tests and fuzz targets of the repository.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, name := range declared.FindAllStringSubmatch(read(t, path), -1) {
			names[name[1]] = true
		}
		return nil
	})
	require.NoError(t, err)
	return names
}

// flat returns code without indentation and alignment.
func flat(code string) string {
	var b strings.Builder
	spaces := regexp.MustCompile(`[ \t]+`)
	for line := range strings.Lines(code) {
		b.WriteString(strings.TrimLeft(spaces.ReplaceAllString(line, " "), " "))
	}
	return b.String()
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.ReplaceAll(string(data), "\r\n", "\n")
}
