package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// speed is what was measured with one number of connections, a value for each round.
type speed struct {
	medians, p99s map[string][]time.Duration // by role
	perSecond     map[string][]float64
	processor     map[string]time.Duration // of all rounds
	requests      map[string]int
}

// measureSpeed measures the servers in turn, round by round, so that a slow phase of the
// machine affects all.
func (r *results) measureSpeed(ctx context.Context, servers []*server, parallel int) error {
	key := strconv.Itoa(parallel)
	if r.speeds[key] != nil {
		return nil
	}
	r.order = append(r.order, key)
	sp := &speed{
		map[string][]time.Duration{},
		map[string][]time.Duration{},
		map[string][]float64{},
		map[string]time.Duration{},
		map[string]int{},
	}
	r.speeds[key] = sp
	for round := range r.rounds + 1 {
		for i := range servers {
			s := servers[(i+round)%len(servers)]
			before := s.processorTime()
			latencies, err := s.load(ctx, parallel, r.slice)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Role, err)
			}
			if round == 0 {
				continue // connections are opened, caches are filled
			}
			sp.processor[s.Role] += s.processorTime() - before
			sp.requests[s.Role] += len(latencies)
			sp.medians[s.Role] = append(sp.medians[s.Role], latencies[len(latencies)/2])
			sp.p99s[s.Role] = append(sp.p99s[s.Role], latencies[len(latencies)*99/100])
			sp.perSecond[s.Role] = append(sp.perSecond[s.Role], float64(len(latencies))/r.slice.Seconds())
		}
	}
	return nil
}

// processorTime returns the processor time that the server's process has used. It counts
// in hundredths of a second.
func (s *server) processorTime() time.Duration {
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid))
	fields := strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// load sends requests over parallel connections, one after the other on each, and returns
// their latencies in order.
func (s *server) load(ctx context.Context, parallel int, slice time.Duration) ([]time.Duration, error) {
	parts, errs := make([][]time.Duration, parallel), make([]error, parallel)
	var all sync.WaitGroup
	end := time.Now().Add(slice)
	for i := range parallel {
		all.Go(func() { parts[i], errs[i] = s.loadConnection(ctx, end) })
	}
	all.Wait()
	latencies := slices.Concat(parts...)
	slices.Sort(latencies)
	if len(latencies) == 0 {
		errs = append(errs, errors.New("no answers"))
	}
	return latencies, errors.Join(errs...)
}

func (s *server) loadConnection(ctx context.Context, end time.Time) ([]time.Duration, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	request := []byte("GET /small?page=1 HTTP/1.1\r\nHost: " + s.addr + "\r\nUser-Agent: bench\r\nAccept: application/json\r\nAccept-Encoding: identity\r\n\r\n")
	responses := bufio.NewReader(conn)
	var latencies []time.Duration
	for began := time.Now(); began.Before(end); began = time.Now() {
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		if err := skipResponse(responses); err != nil {
			return nil, err
		}
		latencies = append(latencies, time.Since(began))
	}
	return latencies, nil
}

// skipResponse reads a response with a Content-Length. It does less than net/http, whose
// cost would be part of the latency.
func skipResponse(r *bufio.Reader) error {
	length := -1
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		text := strings.TrimSpace(string(line))
		if first && text != "HTTP/1.1 200 OK" {
			return fmt.Errorf("the answer is %q", text)
		}
		if value, ok := strings.CutPrefix(text, "Content-Length: "); ok {
			if length, err = strconv.Atoi(value); err != nil {
				return err
			}
		}
		if text == "" {
			break
		}
	}
	if length < 0 {
		return io.ErrUnexpectedEOF
	}
	_, err := r.Discard(length)
	return err
}
