package agstest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/agsauth/agsauth/agstest"
)

// profileClient is the code under test. It refreshes its tokens and tries again when
// the API rejects the access token.
type profileClient struct {
	http   *http.Client
	base   string
	tokens struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
}

func (c *profileClient) signOn() error {
	return c.post("/ags/signOn", `{"deviceInformation": {"name": "example"}, "parameters": [
		{"name": "username", "value": "dave"}, {"name": "password", "value": "open sesame"}]}`, "", &c.tokens)
}

func (c *profileClient) profile() (echo agstest.Echo, err error) {
	for range 5 {
		if err = c.post("/api/profile", "", c.tokens.Access, &echo); err == nil {
			break
		}
		_ = c.post("/ags/refresh", `{"parameters": []}`, c.tokens.Refresh, &c.tokens)
	}
	return echo, err
}

func (c *profileClient) post(path, body, token string, result any) error {
	rq, err := http.NewRequest(http.MethodPost, c.base+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	rq.Header.Set("Authorization", "Bearer "+token)
	rq.Header.Set("Content-Type", "application/json")
	rq.Header.Set("nv-tenant-id", "nagra")
	rq.Header.Set("x-auth-service-id", "Customer Auth Service")
	rq.Header.Set("x-correlation-id", "example")
	rs, err := c.http.Do(rq)
	if err != nil {
		return err
	}
	defer rs.Body.Close()
	if rs.StatusCode >= 300 {
		return fmt.Errorf("%s: %s", path, rs.Status)
	}
	return json.NewDecoder(rs.Body).Decode(result)
}

// The API rejects the client's token, and the first refresh fails.
func Example() {
	srv := agstest.NewServer(agstest.Config{})
	defer srv.Close()
	client := &profileClient{http: srv.Client(), base: srv.URL}
	if err := client.signOn(); err != nil {
		fmt.Println(err)
		return
	}

	srv.RejectToken(client.tokens.Access)
	srv.Script(agstest.Refresh, agstest.Fault{Status: http.StatusServiceUnavailable})

	echo, err := client.profile()
	fmt.Println("account:", echo.AccountID, "generation:", echo.Generation, "error:", err)
	fmt.Println("refreshes:", srv.Stats().Refreshes, "of", srv.Count(agstest.Refresh))
	for _, rq := range append(srv.Requests(agstest.API), srv.Requests(agstest.Refresh)...) {
		fmt.Println(rq)
	}
	// Output:
	// account: 1663 generation: 2 error: <nil>
	// refreshes: 1 of 2
	// api #1: POST /api/profile → 403
	// api #2: POST /api/profile → 403
	// api #3: POST /api/profile → 200
	// refresh #1: POST /ags/refresh → 503 (answer 503)
	// refresh #2: POST /ags/refresh → 200
}
