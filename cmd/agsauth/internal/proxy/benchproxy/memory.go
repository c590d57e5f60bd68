package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// figures are the memory of a process, in bytes.
type figures struct {
	RSS, PeakRSS float64
	Heap, Stacks float64 // in use
}

// serveFigures answers with the figures of this process. With "reset" it collects garbage
// before, and the peak begins anew.
func serveFigures(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/reset" {
		debug.FreeOSMemory()
		_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	status, _ := os.ReadFile("/proc/self/status")
	_ = json.NewEncoder(w).Encode(figures{
		RSS: statusBytes(string(status), "VmRSS:"), PeakRSS: statusBytes(string(status), "VmHWM:"),
		Heap: float64(stats.HeapInuse), Stacks: float64(stats.StackInuse),
	})
}

// statusBytes returns a value of /proc/self/status, 0 where there is none.
func statusBytes(status, name string) float64 {
	_, rest, _ := strings.Cut(status, name)
	kib, _ := strconv.ParseFloat(strings.Fields(rest + " 0")[0], 64)
	return kib * 1024
}

func (s *server) figures(ctx context.Context, path string) (f figures, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Control+path, http.NoBody)
	if err != nil {
		return f, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return f, err
	}
	defer resp.Body.Close()
	return f, json.NewDecoder(resp.Body).Decode(&f)
}

// memory is what a proxy needs.
type memory struct {
	role                     string
	idle, upload, download   figures
	uploadTime, downloadTime time.Duration
	streams                  figures
	streamBase               figures
}

// measureMemory passes large bodies and many streams through a proxy.
func (r *results) measureMemory(ctx context.Context, s *server) error {
	m := memory{role: s.Role}
	var err error
	if m.idle, err = s.figures(ctx, "/reset"); err != nil {
		return err
	}
	if m.uploadTime, err = s.transfer(ctx, http.MethodPut, "/upload", io.LimitReader(zeros{}, r.gibi), 0); err != nil {
		return err
	}
	if m.upload, err = s.figures(ctx, "/"); err != nil {
		return err
	}
	if _, err = s.figures(ctx, "/reset"); err != nil {
		return err
	}
	if m.downloadTime, err = s.transfer(ctx, http.MethodGet, fmt.Sprintf("/download?bytes=%d", r.gibi), nil, r.gibi); err != nil {
		return err
	}
	if m.download, err = s.figures(ctx, "/"); err != nil {
		return err
	}
	if m.streamBase, err = s.figures(ctx, "/reset"); err != nil {
		return err
	}
	conns, err := s.openStreams(ctx, r.streams)
	defer func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}()
	if err != nil {
		return err
	}
	if m.streams, err = s.figures(ctx, "/reset"); err != nil {
		return err
	}
	r.memories = append(r.memories, m)
	return nil
}

// transfer sends a request with a large body, or for one.
func (s *server) transfer(ctx context.Context, method, path string, body io.Reader, want int64) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, body)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || want > 0 && n != want) {
		err = fmt.Errorf("%s %s: status %d, %d bytes", method, path, resp.StatusCode, n)
	}
	return time.Since(began), err
}

// openStreams opens streams, and waits for the first event of each.
func (s *server) openStreams(ctx context.Context, n int) (conns []net.Conn, err error) {
	for range n {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
		if err != nil {
			return conns, err
		}
		conns = append(conns, conn)
		if _, err := fmt.Fprintf(conn, "GET /events HTTP/1.1\r\nHost: %s\r\n\r\n", s.addr); err != nil {
			return conns, err
		}
	}
	for _, conn := range conns {
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		for lines := bufio.NewReader(conn); ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				return conns, err
			}
			if strings.HasPrefix(line, "data: first") {
				break
			}
		}
	}
	return conns, nil
}
