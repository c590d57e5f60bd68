package agsauth_test

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

// TestReadme_CodeIsThatOfTheExamples holds every piece of code in the
// documentation to be code that the examples run.
func TestReadme_CodeIsThatOfTheExamples(t *testing.T) {
	examples := flat(read(t, "example_test.go") + read(t, "agstest/docs_example_test.go"))
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

// TestReadme_PromisesHaveTheirTests looks for every test that the documentation
// names.
func TestReadme_PromisesHaveTheirTests(t *testing.T) {
	tests, named := testNames(t), regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+)`")
	require.Len(t, named.FindAllString(read(t, "README.md"), -1), 16)
	for _, page := range pages(t) {
		for _, name := range named.FindAllStringSubmatch(read(t, page), -1) {
			assert.Contains(t, tests, name[1], page)
		}
	}
}

// TestReadme_LinksLeadSomewhere looks for every file that the documentation
// points to.
func TestReadme_LinksLeadSomewhere(t *testing.T) {
	for _, page := range pages(t) {
		for _, link := range regexp.MustCompile(`\]\(([^)#]+)`).FindAllStringSubmatch(read(t, page), -1) {
			if !strings.Contains(link[1], "://") {
				_, err := os.Stat(filepath.Join(filepath.Dir(page), link[1]))
				assert.NoError(t, err, page)
			}
		}
	}
	assert.LessOrEqual(t, strings.Count(read(t, "README.md"), "\n"), 180)
}

// pages returns the documentation's files.
func pages(t *testing.T) []string {
	t.Helper()
	docs, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	top, err := filepath.Glob("*.md")
	require.NoError(t, err)
	require.Greater(t, len(docs)+len(top), 6)
	return append(docs, top...)
}

func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
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

// flat returns code without its indentation, and without what gofmt aligns.
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
