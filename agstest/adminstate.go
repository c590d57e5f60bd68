package agstest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

func (a *admin) stateRoutes() []route {
	return []route{
		{"GET /sessions", []string{"limit"}, a.sessions},
		{"POST /sessions/revoke", nil, a.revokeAll},
		{"POST /sessions/{number}/revoke", nil, a.revoke},
		{"GET /accounts", nil, a.accounts},
		{"POST /accounts/{id}/{act}", nil, a.actOnAccount},
		{"GET /devices", nil, a.devices},
		{"POST /devices/{id}/{act}", nil, a.actOnDevice},
		{"POST /keys/rotate", nil, a.rotateKeys},
		{"GET /clock", nil, a.clock},
		{"PUT /clock", nil, a.setClock},
	}
}

// sessionJSON is a [Session].
type sessionJSON struct {
	Number           int          `json:"number"`
	AccountID        string       `json:"accountId"`
	ClientID         string       `json:"clientId"`
	TenantID         string       `json:"tenantId"`
	Generation       int          `json:"generation"`
	State            SessionState `json:"state"`
	AccessExpiresAt  time.Time    `json:"accessExpiresAt"`
	RefreshExpiresAt time.Time    `json:"refreshExpiresAt"`
	FixedExpiresAt   time.Time    `json:"fixedExpiresAt"`
}

func (a *admin) sessions(r *http.Request) (any, error) {
	limit, err := limitOf(r)
	if err != nil {
		return nil, err
	}
	list := []sessionJSON{}
	for _, x := range latest(a.s.Sessions(), limit) {
		list = append(list, sessionJSON{
			x.Number, x.AccountID, x.ClientID, x.TenantID, x.Generation, x.State,
			x.AccessExpiresAt.UTC(), x.RefreshExpiresAt.UTC(), x.FixedExpiresAt.UTC(),
		})
	}
	return map[string]any{"sessions": list}, nil
}

func (a *admin) revokeAll(r *http.Request) (any, error) {
	if err := noBody(r); err != nil {
		return nil, err
	}
	return map[string]int{"revoked": a.s.RevokeSessions()}, nil
}

func (a *admin) revoke(r *http.Request) (any, error) {
	if err := noBody(r); err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || number < 1 || number > len(a.s.Sessions()) {
		return nil, &adminError{http.StatusNotFound, fmt.Sprintf("there is no session %q", r.PathValue("number"))}
	}
	if !a.s.RevokeSession(number) {
		return nil, &adminError{http.StatusConflict, fmt.Sprintf("session %d has ended already", number)}
	}
	return map[string]int{"revoked": 1}, nil
}

// blockNames returns the states of an account or a device by the code that it has when it
// is blocked.
func blockNames() map[int]string {
	return map[int]string{
		codeAccountSuspended: "suspended", codeAccountCancelled: "cancelled",
		codeDeviceDisabled: "disabled", codeDeviceDeleted: "deleted",
	}
}

func stateName(blocked *refusal) string {
	if blocked == nil {
		return string(SessionLive)
	}
	return blockNames()[blocked.code]
}

// accountJSON is an account without its password.
type accountJSON struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	State    string `json:"state"`
}

func (a *admin) accountList() []accountJSON {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	list := []accountJSON{}
	for _, x := range a.s.state.accounts {
		list = append(list, accountJSON{x.ID, x.Username, stateName(x.blocked)})
	}
	return list
}

func (a *admin) accounts(*http.Request) (any, error) {
	return map[string]any{"accounts": a.accountList()}, nil
}

func (a *admin) actOnAccount(r *http.Request) (any, error) {
	acts := map[string]func(string) bool{
		"suspend": a.s.SuspendAccount, "cancel": a.s.CancelAccount, "restore": a.s.RestoreAccount,
	}
	act, id := acts[r.PathValue("act")], r.PathValue("id")
	if act == nil {
		return nil, &adminError{http.StatusNotFound, fmt.Sprintf("an account has no act %q", r.PathValue("act"))}
	}
	if err := noBody(r); err != nil {
		return nil, err
	}
	if !act(id) {
		return nil, &adminError{http.StatusNotFound, fmt.Sprintf("there is no account %q", id)}
	}
	list := a.accountList()
	return list[slices.IndexFunc(list, func(x accountJSON) bool { return x.ID == id })], nil
}

// deviceJSON is a device of an account.
type deviceJSON struct {
	ClientID  string `json:"clientId"`
	AccountID string `json:"accountId"`
	State     string `json:"state"`
}

// deviceList returns all devices in the order in which they were registered.
func (a *admin) deviceList() []deviceJSON {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	list := []deviceJSON{}
	for _, d := range a.s.state.devices {
		list = append(list, deviceJSON{d.id, d.account.ID, stateName(d.blocked)})
	}
	slices.SortFunc(list, func(x, y deviceJSON) int {
		return cmp.Or(cmp.Compare(len(x.ClientID), len(y.ClientID)), cmp.Compare(x.ClientID, y.ClientID))
	})
	return list
}

func (a *admin) devices(*http.Request) (any, error) {
	return map[string]any{"devices": a.deviceList()}, nil
}

func (a *admin) actOnDevice(r *http.Request) (any, error) {
	acts := map[string]func(string) bool{
		"disable": a.s.DisableDevice, "enable": a.s.EnableDevice, "delete": a.s.DeleteDevice,
	}
	act, id := acts[r.PathValue("act")], r.PathValue("id")
	if act == nil {
		return nil, &adminError{http.StatusNotFound, fmt.Sprintf("a device has no act %q", r.PathValue("act"))}
	}
	if err := noBody(r); err != nil {
		return nil, err
	}
	done := act(id)
	list := a.deviceList()
	i := slices.IndexFunc(list, func(x deviceJSON) bool { return x.ClientID == id })
	switch {
	case i < 0:
		return nil, &adminError{http.StatusNotFound, fmt.Sprintf("there is no device %q", id)}
	case !done:
		return nil, &adminError{http.StatusConflict, fmt.Sprintf("device %q is deleted", id)}
	}
	return list[i], nil
}

func (a *admin) rotateKeys(r *http.Request) (any, error) {
	if err := noBody(r); err != nil {
		return nil, err
	}
	a.s.RotateKeys()
	return struct{}{}, nil
}

func (a *admin) clock(*http.Request) (any, error) {
	return map[string]string{
		"now": a.s.now().UTC().Format(time.RFC3339Nano), "skew": a.s.Skew().String(),
	}, nil
}

func (a *admin) setClock(r *http.Request) (any, error) {
	var j struct {
		Skew    json.RawMessage `json:"skew"`
		Advance json.RawMessage `json:"advance"`
	}
	if err := decodeBodyOf(r, &j); err != nil {
		return nil, err
	}
	if (j.Skew == nil) == (j.Advance == nil) {
		return nil, errors.New(`set either "skew" or "advance"`)
	}
	skew, err := span("skew", j.Skew)
	if err != nil {
		return nil, err
	}
	advance, err := span("advance", j.Advance)
	switch {
	case err != nil:
		return nil, err
	case j.Skew != nil:
		a.s.SetSkew(skew)
	default:
		a.s.Advance(advance)
	}
	return a.clock(r)
}
