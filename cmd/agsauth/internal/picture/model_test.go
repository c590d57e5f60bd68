package picture_test

import (
	"image/color"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/picture"
)

// bench is a model, and what it did.
type bench struct {
	picture.Model

	outages, rejections, sleeps, quits int
}

func (b *bench) Outage() { b.outages++ }
func (b *bench) Reject() { b.rejections++ }
func (b *bench) Sleep()  { b.sleeps++ }

func newBench() *bench {
	b := &bench{}
	b.Model = picture.NewModel(b, func() tea.Msg { return picture.Frame{} }, func() { b.quits++ }, 500*time.Millisecond)
	return b
}

// update has the model take messages, and returns what the last of them leads to.
func (b *bench) update(msgs ...tea.Msg) (cmd tea.Cmd) {
	for _, msg := range msgs {
		var next tea.Model
		next, cmd = b.Update(msg)
		b.Model = next.(picture.Model)
	}
	return cmd
}

func frame(at time.Duration, requests int, lines ...string) picture.Frame {
	return picture.Frame{Glance: demo.Glance{At: at, Requests: requests}, Lines: lines}
}

func TestUpdate_KeysAreHandedOn(t *testing.T) {
	b := newBench()
	b.update(tea.KeyPressMsg{Code: 'o', Text: "o"}, tea.KeyPressMsg{Code: 'o', Text: "O", Mod: tea.ModShift}, tea.KeyPressMsg{Code: 'r', Text: "r"}, tea.KeyPressMsg{Code: 's', Text: "s"}, tea.KeyPressMsg{Code: 'x', Text: "x"})
	assert.Equal(t, []int{2, 1, 1, 0}, []int{b.outages, b.rejections, b.sleeps, b.quits})
	assert.False(t, b.State().Quitting)
}

// The program ends when the demo has, not before: the sums are those of the end.
func TestUpdate_QuitWaitsForTheDemo(t *testing.T) {
	for _, key := range []tea.KeyPressMsg{{Code: 'q', Text: "q"}, {Code: tea.KeyEscape}, {Code: 'c', Mod: tea.ModCtrl}} {
		b := newBench()
		assert.Nil(t, b.update(key))
		assert.Equal(t, 1, b.quits, key.String())
		assert.True(t, b.State().Quitting)
		cmd := b.update(picture.Over{Last: frame(time.Second, 9, "the end")})
		assert.IsType(t, tea.QuitMsg{}, cmd())
		assert.True(t, b.State().Over)
		assert.Equal(t, 9, b.State().Glance.Requests)
		assert.Equal(t, []string{"the end"}, b.State().Lines)
	}
}

func TestUpdate_FramesMakeTheChart(t *testing.T) {
	b := newBench()
	cmd := b.update(frame(100*time.Millisecond, 10, "one"))
	assert.IsType(t, picture.Frame{}, cmd(), "the next one is waited for")
	assert.Empty(t, b.State().Rates)
	failing := frame(1500*time.Millisecond, 400)
	failing.Glance.Failed = 300
	b.update(frame(500*time.Millisecond, 100), frame(600*time.Millisecond, 100, "two", "three"), failing)
	assert.Equal(t, []float64{200, 0}, b.State().Rates)
	assert.Equal(t, []string{"one", "two", "three"}, b.State().Lines)
	for i := range 1000 {
		b.update(frame(time.Duration(i+4)*time.Second/2, 100))
	}
	assert.Len(t, b.State().Rates, 500)
}

func TestUpdate_WindowAndBackground(t *testing.T) {
	b := newBench()
	b.update(tea.WindowSizeMsg{Width: 90, Height: 30}, tea.BackgroundColorMsg{Color: color.White})
	s := b.State()
	assert.Equal(t, []any{90, 30, picture.Light}, []any{s.Width, s.Height, s.Background})
	b.update(tea.BackgroundColorMsg{Color: color.Black})
	assert.Equal(t, picture.Dark, b.State().Background)
	assert.True(t, b.View().AltScreen)
	assert.Equal(t, picture.View(b.State()), b.View().Content)
}
