package agstest

import (
	"crypto/rand"
	"maps"
	"strconv"
	"time"
)

// pendingLifetime is how long a userAccountToken or a sessionToken is valid.
const pendingLifetime = 10 * time.Minute

// state is what the gateway stores: accounts, devices, sessions and the tokens that
// it issued. Its methods do no I/O and take the current time as an argument. It is
// not safe for concurrent use.
type state struct {
	cfg        Config
	key        signingKey
	geoBlocked bool
	rejections rejections

	accounts      []*account
	devices       map[string]*device // by client ID
	sessions      []*session         // the session with serial n is at n-1
	tokens        map[string]*issuedToken
	userTokens    map[string]*pendingSignOn // by userAccountToken
	sessionTokens map[string]*pendingSignOn // by sessionToken

	pairs             int64 // issued so far
	refreshes, reuses int
}

type account struct {
	Account
	blocked *refusal // the answer while the operator blocks the account, or nil
}

type device struct {
	id          string
	description string // by which IASv2 knows it again; empty for none
	account     *account
	blocked     *refusal // the answer once the device is disabled or deleted, or nil
}

func (d *device) deleted() bool { return d.blocked != nil && d.blocked.code == codeDeviceDeleted }

// pendingSignOn is a sign-on of a known user that is not complete: the client has
// yet to choose one of the accounts, or to name its device.
type pendingSignOn struct {
	accounts  []*account
	device    deviceClaim
	expiresAt time.Time
}

func newState(cfg Config) *state {
	st := &state{
		cfg:           cfg,
		key:           newSigningKey(firstKeyID),
		rejections:    rejections{tokens: map[string]bool{}},
		devices:       map[string]*device{},
		tokens:        map[string]*issuedToken{},
		userTokens:    map[string]*pendingSignOn{},
		sessionTokens: map[string]*pendingSignOn{},
	}
	for _, a := range cfg.Accounts {
		st.accounts = append(st.accounts, &account{Account: a})
	}
	return st
}

// accountsWhere returns the accounts that match.
func (st *state) accountsWhere(match func(Account) bool) []*account {
	var found []*account
	for _, a := range st.accounts {
		if match(a.Account) {
			found = append(found, a)
		}
	}
	return found
}

// accountsOf returns the accounts with these credentials.
func (st *state) accountsOf(username, password string) []*account {
	return st.accountsWhere(func(a Account) bool { return a.Username == username && a.Password == password })
}

// signOn starts a session on an account. It registers the device if it is new.
func (st *state) signOn(now time.Time, a *account, c deviceClaim, tenant string) (pair, *refusal) {
	if a.blocked != nil {
		return pair{}, a.blocked
	}
	d, refused := st.deviceFor(a, c)
	if refused != nil {
		return pair{}, refused
	}
	return st.startSession(now, a, d, tenant), nil
}

func (st *state) deviceFor(a *account, c deviceClaim) (*device, *refusal) {
	d := st.devices[c.clientID]
	if c.isNew {
		if d = st.described(a, c.description); d == nil {
			return st.register(a, c.description)
		}
	}
	if d == nil || d.account != a {
		return nil, forbidden(codeDeviceDeleted, "no such device")
	}
	if d.blocked != nil {
		return nil, d.blocked
	}
	return d, nil
}

// described returns the device of an account with this description, or nil.
func (st *state) described(a *account, description string) *device {
	if description == "" {
		return nil
	}
	for _, d := range st.devices {
		if d.account == a && d.description == description && !d.deleted() {
			return d
		}
	}
	return nil
}

func (st *state) register(a *account, description string) (*device, *refusal) {
	if st.cfg.DeviceLimit > 0 && st.deviceCount(a) >= st.cfg.DeviceLimit {
		return nil, forbidden(codeDeviceLimit, "device limit reached")
	}
	d := &device{id: "PUB_" + strconv.Itoa(len(st.devices)+1), description: description, account: a}
	st.devices[d.id] = d
	return d, nil
}

// deviceCount returns how many devices count towards an account's limit.
func (st *state) deviceCount(a *account) int {
	n := 0
	for _, d := range st.devices {
		if d.account == a && !d.deleted() {
			n++
		}
	}
	return n
}

// addPending stores a pending sign-on and returns the token that completes it.
func (st *state) addPending(
	now time.Time, pending map[string]*pendingSignOn, c deviceClaim, accounts ...*account,
) string {
	maps.DeleteFunc(pending, func(_ string, p *pendingSignOn) bool { return !now.Before(p.expiresAt) })
	token := rand.Text()
	pending[token] = &pendingSignOn{accounts: accounts, device: c, expiresAt: now.Add(pendingLifetime)}
	return token
}

// completePending starts the session of a pending sign-on, whose token can be used
// once. The device that b names takes precedence over that of the first request.
func (st *state) completePending(
	now time.Time, pending map[string]*pendingSignOn, token string, b body, tenant string,
) (pair, *refusal) {
	p := pending[token]
	if p == nil || !now.Before(p.expiresAt) {
		return pair{}, unauthorized("token unknown, used or expired")
	}
	accountID, _ := b.parameter("accountId")
	a, refused := p.choose(accountID)
	if refused != nil {
		return pair{}, refused
	}
	c := b.device
	if c.isZero() {
		c = p.device
	}
	tokens, refused := st.signOn(now, a, c, tenant)
	if refused == nil {
		delete(pending, token)
	}
	return tokens, refused
}

// choose returns the account with this ID. The ID may be empty if there is only one
// account.
func (p *pendingSignOn) choose(accountID string) (*account, *refusal) {
	if accountID == "" && len(p.accounts) == 1 {
		return p.accounts[0], nil
	}
	if accountID == "" {
		return nil, badRequest("parameter accountId missing")
	}
	for _, a := range p.accounts {
		if a.ID == accountID {
			return a, nil
		}
	}
	return nil, notFound("no such account")
}

// rotateKey replaces the signing key, forgets all tokens and ends all sessions.
func (st *state) rotateKey() {
	st.key = newSigningKey(st.key.id + 1)
	clear(st.tokens)
	for _, s := range st.sessions {
		s.tokens, s.end = nil, SessionUndecodable
	}
}
