package agstest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/agsauth/agsauth/agstest"
)

// viewer is the client under test: it signs on, and refreshes once when the API
// does not take its token any more. Yours would be in a package of its own.
type viewer struct {
	http   *http.Client
	base   string
	tokens struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
}

// call makes one call of the gateway, and keeps the tokens that it answers.
func (v *viewer) call(path, body, authorization string) error {
	rq, err := http.NewRequest(http.MethodPost, v.base+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	rq.Header.Set("x-auth-service-id", "Customer Auth Service")
	rq.Header.Set("nv-tenant-id", "nagra")
	rq.Header.Set("x-correlation-id", "example")
	rq.Header.Set("Content-Type", "application/json")
	rq.Header.Set("Authorization", authorization)
	rs, err := v.http.Do(rq)
	if err != nil {
		return err
	}
	defer rs.Body.Close()
	if rs.StatusCode >= 300 {
		return fmt.Errorf("%s: status %d", path, rs.StatusCode)
	}
	return json.NewDecoder(rs.Body).Decode(&v.tokens)
}

func (v *viewer) signOn(username, password string) error {
	return v.call("/ags/signOn", fmt.Sprintf(`{"parameters":[{"name":"username","value":%q},{"name":"password","value":%q}],
		"deviceInformation":{"name":"example"}}`, username, password), "")
}

func (v *viewer) refresh() error {
	return v.call("/ags/refresh", `{"parameters":[]}`, "Bearer "+v.tokens.Refresh)
}

// profile asks the API, a second time if the first was in vain.
func (v *viewer) profile() (agstest.Echo, error) {
	var echo agstest.Echo
	for range 2 {
		rq, err := http.NewRequest(http.MethodGet, v.base+"/api/profile", http.NoBody)
		if err != nil {
			return echo, err
		}
		rq.Header.Set("Authorization", "Bearer "+v.tokens.Access)
		rs, err := v.http.Do(rq)
		if err != nil {
			return echo, err
		}
		err = json.NewDecoder(rs.Body).Decode(&echo)
		rs.Body.Close()
		if err != nil || rs.StatusCode == http.StatusOK {
			return echo, err
		}
		for v.refresh() != nil { // too simple for real life: it never gives up
		}
	}
	return echo, fmt.Errorf("rejected twice")
}

// A client is tried against a gateway that has its bad moments.
func Example() {
	srv := agstest.NewServer(agstest.Config{})
	defer srv.Close()

	client := &viewer{http: srv.Client(), base: srv.URL}
	if err := client.signOn(agstest.DefaultUsername, agstest.DefaultPassword); err != nil {
		fmt.Println(err)
		return
	}

	// The API stops taking the token, and the gateway is of no help at first.
	srv.RejectToken(client.tokens.Access)
	srv.Script(agstest.Refresh, agstest.Fault{Status: http.StatusServiceUnavailable, Times: 2})

	echo, err := client.profile()
	fmt.Println("account", echo.AccountID, "with generation", echo.Generation, "of its token, error", err)
	fmt.Println("refreshes asked for:", srv.Count(agstest.Refresh), "granted:", srv.Stats().Refreshes)
	fmt.Println("most at a time:", srv.MaxInFlight(agstest.Refresh), "script left:", srv.Pending(agstest.Refresh))
	for _, rq := range append(srv.Requests(agstest.API), srv.Requests(agstest.Refresh)...) {
		fmt.Println(rq)
	}

	// Output:
	// account 1663 with generation 2 of its token, error <nil>
	// refreshes asked for: 3 granted: 1
	// most at a time: 1 script left: 0
	// api #1: GET /api/profile → 403
	// api #2: GET /api/profile → 200
	// refresh #1: POST /ags/refresh → 503 (answer 503)
	// refresh #2: POST /ags/refresh → 503 (answer 503)
	// refresh #3: POST /ags/refresh → 200
}
