package harness

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The marks in the columns of the checks.
const (
	works   = "yes"
	fails   = "no"
	without = "–"
)

// CheckPage checks that the rows of a section of docs/clients.md are those of the
// clients, and that their marks are what the tests have shown. The first column is the
// client's name, the second how it is plugged in, and those of the checks follow.
func CheckPage(t *testing.T, page, section string, clients []Client) {
	t.Helper()
	rows := rowsOf(t, page, section)
	assert.Len(t, rows, len(clients), "rows in section %q", section)
	for _, c := range clients {
		row, ok := rows[c.Name]
		if !assert.True(t, ok, "no row for %q", c.Name) || !assert.GreaterOrEqual(t, len(row), 2+len(Checks()), c.Name) {
			continue
		}
		for i, check := range Checks() {
			assert.Equal(t, c.mark(check), row[2+i], "%s, column %q", c.Name, check)
		}
	}
}

func (c *Client) mark(check Check) string {
	if _, ok := c.Without[check]; ok {
		return without
	}
	if _, ok := c.Limits[check]; ok {
		return fails
	}
	return works
}

// rowsOf returns the cells of the rows of a section's tables by their first cell.
func rowsOf(t *testing.T, page, section string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(text), "\n## "+section+"\n")
	require.True(t, ok, "%s has no section %q", page, section)
	rest, _, _ = strings.Cut(rest, "\n## ")
	rows := map[string][]string{}
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|--") || strings.HasPrefix(line, "| client |") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows[cells[0]] = cells
	}
	return rows
}
