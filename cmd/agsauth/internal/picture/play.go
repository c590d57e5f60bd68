package picture

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
)

// ticks is how often the demo is looked at anew.
const ticks = 100 * time.Millisecond

// framesASecond is the most that is drawn.
const framesASecond = 20

// Screen is where a picture is drawn.
type Screen struct {
	In      io.Reader // of the keys; nil means that there are none
	Out     io.Writer
	Environ []string
	// Width and Height are those of the window, for an Out that is no terminal: one
	// that is tells them itself.
	Width, Height int
	// NoColor draws without colours.
	NoColor bool
}

// Play plays the plan and draws it meanwhile, with what happens told by line. It
// returns when the demo is over, which the user can bring about, as can the end of
// ctx; the picture as it was then stays on the screen. An error is that of
// [demo.Run], or says that the screen cannot be drawn on, which interrupts the demo.
func Play(ctx context.Context, plan demo.Plan, screen Screen, line func(demo.Moment) string) (report demo.Report, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var told teller
	show := demo.New(plan, func(m demo.Moment) { told.add(line(m)) })
	program := tea.NewProgram(Model{
		show:  show,
		next:  func() tea.Msg { return nextFrame(ctx, show, &told) },
		quit:  cancel,
		span:  span(plan),
		state: State{Width: screen.Width, Height: screen.Height, Workers: plan.Workers, Lasts: plan.Session + plan.Tail},
	}, screen.options()...)

	var demoErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		report, demoErr = show.Run(ctx)
		program.Send(Over{Frame{show.Glance(), told.take()}})
	})
	model, err := program.Run()
	cancel()
	wg.Wait()
	if err != nil {
		return report, fmt.Errorf("draw the picture: %w", err)
	}
	if m, ok := model.(Model); ok && report.Took > 0 {
		screen.leave(View(m.State()))
	}
	return report, demoErr
}

// span is how much time a cell of the chart stands for: that a window of the usual
// width has room for most of the plan.
func span(plan demo.Plan) time.Duration { return max(ticks, plan.Limit/100) }

// nextFrame waits for a while, and returns what has become of the demo.
func nextFrame(ctx context.Context, show *demo.Show, told *teller) tea.Msg {
	timer := time.NewTimer(ticks)
	defer timer.Stop()
	select {
	case <-timer.C:
		return Frame{show.Glance(), told.take()}
	case <-ctx.Done():
		return nil
	}
}

func (s Screen) options() []tea.ProgramOption {
	options := []tea.ProgramOption{
		tea.WithInput(s.In), tea.WithOutput(s.Out), tea.WithEnvironment(s.Environ),
		tea.WithFPS(framesASecond),
		// The signals are the caller's, who ends the context for one.
		tea.WithoutSignalHandler(),
	}
	if s.Width > 0 {
		options = append(options, tea.WithWindowSize(s.Width, s.Height))
	}
	if s.NoColor {
		options = append(options, tea.WithColorProfile(colorprofile.ASCII))
	}
	return options
}

// leave prints a picture for good, with the colours that the screen has.
func (s Screen) leave(view string) {
	out := colorprofile.NewWriter(s.Out, s.Environ)
	if s.NoColor {
		out.Profile = min(out.Profile, colorprofile.ASCII)
	}
	fmt.Fprintln(out, view)
}

// teller keeps what is told until it is drawn. Safe for concurrent use.
type teller struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (t *teller) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
}

// take returns what was told since it was last called.
func (t *teller) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := t.lines
	t.lines = nil
	return lines
}
