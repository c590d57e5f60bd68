package picture

import (
	"time"

	tea "charm.land/bubbletea/v2"
)

// NewModel returns a model whose cells of the chart stand for span.
func NewModel(show Show, next tea.Cmd, quit func(), span time.Duration) Model {
	return Model{show: show, next: next, quit: quit, span: span}
}
