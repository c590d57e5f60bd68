// Command scenarios runs the jobs of package scenario, and prints each result as a line
// of JSON.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/agsauth/agsauth/bench/internal/peer"
	"github.com/agsauth/agsauth/bench/internal/scenario"
)

func main() {
	quick := flag.Bool("quick", false, "fewer rounds")
	job := flag.String("job", "", "run only this job")
	of := flag.String("of", "", "run only these implementations, separated by commas")
	flag.Parse()
	out := json.NewEncoder(os.Stdout)
	for _, j := range scenario.Jobs() {
		if *job != "" && *job != j.Name {
			continue
		}
		for _, c := range peer.All() {
			if *of != "" && !strings.Contains(","+*of+",", ","+c.Name+",") {
				continue
			}
			r, err := j.Run(c, *quick)
			if err != nil {
				fmt.Fprintf(os.Stderr, "%s of %s: %v\n", j.Name, c.Name, err)
				os.Exit(1)
			}
			if r.Figures == nil {
				continue
			}
			r.Job, r.Of = j.Name, c.Name
			if err := out.Encode(r); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			runtime.GC()
		}
	}
}
