// Command outage writes what happens in each second of an outage as a table: how many
// calls of the gateway are made, and how many sessions have no live token. It compares
// sessions behind a gate, the same sessions without one, and plain token caches. The
// command "bench/run outage" makes bench/results/outage.csv and its chart with it.
//
// Twenty thousand sessions need six calls a second. The gateway is good for twenty, answers
// in the order of arrival, and is away for five minutes. Nobody waits longer than ten
// seconds for an answer.
package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/admission"
	"github.com/agsauth/agsauth/tokensource/internal/simulation"
)

// The times of the outage, and what is shown before and after it. Sessions that have
// signed on long ago are refreshed at an even rate at the beginning.
const (
	from   = time.Hour
	to     = from + 5*time.Minute
	before = 10 * time.Minute
	after  = 25 * time.Minute
)

func main() {
	if err := write(os.Stdout); err != nil {
		panic(err)
	}
}

// write writes the table. Its first column is the time since the beginning of the outage.
func write(out io.Writer) error {
	base := simulation.Scenario{
		Sessions: 20_000, For: to + after,
		Gateway: simulation.Gateway{PerSecond: 20, From: from, To: to},
	}
	gated, plain := base, base
	gated.Limits, gated.Planned = admission.Limits{PerSecond: 18, Concurrent: 64}, true
	plain.Plain = true

	header := []string{"second"}
	var results []simulation.Result
	for _, kind := range []struct {
		name string
		simulation.Scenario
	}{{"gated", gated}, {"ungated", base}, {"plain", plain}} {
		header = append(header, kind.name+" calls", kind.name+" expired")
		results = append(results, simulation.Play(kind.Scenario))
	}
	w := csv.NewWriter(out)
	if err := w.Write(header); err != nil {
		return fmt.Errorf("write the header: %w", err)
	}
	for at := from - before; at < to+after; at += time.Second {
		row := []string{strconv.Itoa(int((at - from) / time.Second))}
		for _, r := range results {
			row = append(row, strconv.Itoa(r.Between(at, at+time.Second)), strconv.Itoa(r.ExpiredAt(at)))
		}
		if err := w.Write(row); err != nil {
			return fmt.Errorf("write a row: %w", err)
		}
	}
	w.Flush()
	return w.Error()
}
