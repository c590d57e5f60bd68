package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// results are all measurements of a run.
type results struct {
	options

	order    []string
	speeds   map[string]*speed
	memories []memory
}

// middle returns the median of the rounds.
func middle[T time.Duration | float64](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// added returns what the proxy adds to the latency of a bare ReverseProxy at the median:
// the median of the differences in each round.
func (s *speed) added(role, than string) time.Duration {
	differences := make([]time.Duration, len(s.medians[role]))
	for i := range differences {
		differences[i] = s.medians[role][i] - s.medians[than][i]
	}
	return middle(differences)
}

// kept returns which part of a bare ReverseProxy's throughput the proxy has.
func (s *speed) kept() float64 {
	ratios := make([]float64, len(s.perSecond["bare"]))
	for i := range ratios {
		ratios[i] = s.perSecond["agsauth"][i] / s.perSecond["bare"][i]
	}
	return middle(ratios)
}

// missed names the targets that were missed.
func (r *results) missed() string {
	var missed []string
	if added := r.speeds["1"].added("agsauth", "bare"); added > maxAdded {
		missed = append(missed, fmt.Sprintf("the proxy adds %v at the median, more than %v", added, maxAdded))
	}
	for _, parallel := range r.order {
		if kept := r.speeds[parallel].kept(); kept < minThroughput {
			missed = append(missed, fmt.Sprintf("with %s connections it has %.0f %% of the throughput, less than two thirds", parallel, kept*100))
		}
	}
	return strings.Join(missed, "; ")
}

func (r *results) report() string {
	var b strings.Builder
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Fprintf(&b, "Written by cmd/agsauth/internal/proxy/benchproxy. %s, %d cores, load %s at the end.\n",
		runtime.Version(), runtime.NumCPU(), strings.Fields(string(load) + " unknown")[0])
	fmt.Fprintf(&b, "A GET of 1 KiB in %d rounds of %v each: the medians of the rounds. The upstream and\n", r.rounds, r.slice)
	b.WriteString("both proxies are processes of their own; bare is a httputil.ReverseProxy with the same transport and a pool of buffers.\n\n")
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "connections\t\tmedian\tp99\trequests/s\tprocessor time\t\n")
	for _, parallel := range r.order {
		s := r.speeds[parallel]
		for _, role := range []string{"upstream", "bare", "agsauth"} {
			fmt.Fprintf(table, "%s\t%s\t%v\t%v\t%.0f\t%v\t\n", parallel, role,
				middle(s.medians[role]).Round(time.Microsecond), middle(s.p99s[role]).Round(time.Microsecond), middle(s.perSecond[role]),
				(s.processor[role] / time.Duration(max(1, s.requests[role]))).Round(time.Microsecond))
		}
	}
	_ = table.Flush()
	b.WriteByte('\n')
	for _, parallel := range r.order {
		s := r.speeds[parallel]
		fmt.Fprintf(&b, "With %s connections agsauth adds %v to bare at the median (bare adds %v to the upstream), and has %.0f %% of its throughput.\n",
			parallel, s.added("agsauth", "bare").Round(time.Microsecond), s.added("bare", "upstream").Round(time.Microsecond), s.kept()*100)
	}
	r.reportMemory(&b)
	return b.String()
}

func (r *results) reportMemory(b *strings.Builder) {
	const mib = 1 << 20
	fmt.Fprintf(b, "\nBodies of %d MiB, and %d streams that are open at once.\n\n", r.gibi/mib, r.streams)
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "\tRSS idle\tpeak, upload\tpeak, download\tupload\tdownload\tper stream, RSS\theap and stacks\t\n")
	for _, m := range r.memories {
		n := float64(r.streams) * 1024
		fmt.Fprintf(table, "%s\t%.1f MiB\t%.1f MiB\t%.1f MiB\t%.0f MiB/s\t%.0f MiB/s\t%.0f KiB\t%.0f KiB\t\n", m.role,
			m.idle.RSS/mib, m.upload.PeakRSS/mib, m.download.PeakRSS/mib,
			float64(r.gibi)/mib/m.uploadTime.Seconds(), float64(r.gibi)/mib/m.downloadTime.Seconds(),
			(m.streams.RSS-m.streamBase.RSS)/n, (m.streams.Heap+m.streams.Stacks-m.streamBase.Heap-m.streamBase.Stacks)/n)
	}
	_ = table.Flush()
}
