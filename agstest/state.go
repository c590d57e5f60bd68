package agstest

import (
	"crypto/rand"
	"maps"
	"strconv"
	"time"
)

// ticketLifetime is how long a userAccountToken and a sessionToken are good.
const ticketLifetime = 10 * time.Minute

// books are what the gateway knows: accounts, devices, sessions and what it gave
// out. Nothing in here does I/O or reads a clock; every method is told the
// instant. Not safe for concurrent use.
type books struct {
	cfg        Config
	key        signingKey
	geoBlocked bool
	gate       gate

	accounts      []*account
	devices       map[string]*device
	sessions      []*session // the n-th has serial n
	tokens        map[string]*issued
	userTokens    map[string]*ticket
	sessionTokens map[string]*ticket

	pairs             int64
	refreshes, reuses int
}

// account is one that can be signed on to.
type account struct {
	Account
	barred *refusal // what it is answered while the operator has barred it, or nil
}

// device is one that was registered.
type device struct {
	id      string
	account *account
	barred  *refusal // as for an account
}

func (d *device) deleted() bool { return d.barred != nil && d.barred.code == codeDeviceDeleted }

// deviceClaim is what a sign-on says of its device: who it is, or that it is new.
type deviceClaim struct {
	clientID string
	isNew    bool
}

// made reports whether anything was said.
func (c deviceClaim) made() bool { return c.isNew || c.clientID != "" }

// ticket is a sign-on that is half done: the user is known, and what is left to
// say is which of the accounts, and on which device.
type ticket struct {
	accounts  []*account
	claim     deviceClaim
	expiresAt time.Time
}

func newBooks(cfg Config) *books {
	b := &books{
		cfg:           cfg,
		key:           newSigningKey(firstKeyID),
		devices:       map[string]*device{},
		tokens:        map[string]*issued{},
		userTokens:    map[string]*ticket{},
		sessionTokens: map[string]*ticket{},
		gate:          gate{rejected: map[string]bool{}},
	}
	for _, a := range cfg.Accounts {
		b.accounts = append(b.accounts, &account{Account: a})
	}
	return b
}

// matches returns the accounts that these credentials open.
func (b *books) matches(good func(Account) bool) []*account {
	var found []*account
	for _, a := range b.accounts {
		if good(a.Account) {
			found = append(found, a)
		}
	}
	return found
}

// admit begins a session on an account, registering the device if it is new.
func (b *books) admit(now time.Time, a *account, claim deviceClaim, tenant string) (pair, *refusal) {
	if a.barred != nil {
		return pair{}, a.barred
	}
	d, no := b.deviceOf(a, claim)
	if no != nil {
		return pair{}, no
	}
	return b.begin(now, a, d, tenant), nil
}

func (b *books) deviceOf(a *account, claim deviceClaim) (*device, *refusal) {
	if claim.isNew {
		return b.register(a)
	}
	d := b.devices[claim.clientID]
	if d == nil || d.account != a {
		return nil, forbidden(codeDeviceDeleted, "no such device")
	}
	if d.barred != nil {
		return nil, d.barred
	}
	return d, nil
}

func (b *books) register(a *account) (*device, *refusal) {
	if b.cfg.DeviceLimit > 0 && b.devicesOf(a) >= b.cfg.DeviceLimit {
		return nil, forbidden(codeDeviceLimit, "device limit reached")
	}
	d := &device{id: "PUB_" + strconv.Itoa(len(b.devices)+1), account: a}
	b.devices[d.id] = d
	return d, nil
}

// devicesOf returns how many devices count against an account's limit.
func (b *books) devicesOf(a *account) int {
	n := 0
	for _, d := range b.devices {
		if d.account == a && !d.deleted() {
			n++
		}
	}
	return n
}

// punch adds a ticket, and returns the token that it is had for.
func (b *books) punch(now time.Time, into map[string]*ticket, claim deviceClaim, accounts ...*account) string {
	maps.DeleteFunc(into, func(_ string, t *ticket) bool { return !now.Before(t.expiresAt) })
	token := rand.Text()
	into[token] = &ticket{accounts: accounts, claim: claim, expiresAt: now.Add(ticketLifetime)}
	return token
}

// redeem ends the half-done sign-on of a ticket, which is good once. The claim is
// that of the ticket unless another is made. Empty accountID means that of the
// only account.
func (b *books) redeem(
	now time.Time, from map[string]*ticket, token, accountID string, claim deviceClaim, tenant string,
) (pair, *refusal) {
	t := from[token]
	if t == nil || !now.Before(t.expiresAt) {
		return pair{}, unauthorized("token not known, used or expired")
	}
	if !claim.made() {
		claim = t.claim
	}
	a, no := t.choose(accountID)
	if no != nil {
		return pair{}, no
	}
	p, no := b.admit(now, a, claim, tenant)
	if no == nil {
		delete(from, token)
	}
	return p, no
}

func (t *ticket) choose(accountID string) (*account, *refusal) {
	if accountID == "" && len(t.accounts) == 1 {
		return t.accounts[0], nil
	}
	if accountID == "" {
		return nil, malformed("parameter accountId missing")
	}
	for _, a := range t.accounts {
		if a.ID == accountID {
			return a, nil
		}
	}
	return nil, notFound("no such account")
}

// rotateKey replaces the signing key, and forgets all that the old one signed.
func (b *books) rotateKey() {
	b.key = newSigningKey(b.key.id + 1)
	clear(b.tokens)
	for _, s := range b.sessions {
		s.tokens, s.ended = nil, true
	}
}
