package gateway_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/gateway"
)

// The functions that make words are those of the page, so that the page's engine runs them.
func pageHasTheRightWords(t *testing.T, open browser) {
	p := openPage(t, open, startWeb(t, gateway.Default()))
	for _, test := range []struct{ script, want string }{
		{`spell(0)`, "0.0 s"},
		{`spell(9999)`, "9.9 s"},
		{`spell(10e3)`, "10 s"},
		{`spell(3599999)`, "59 min 59 s"},
		{`spell(3600e3)`, "1 h 0 min"},
		{`spell(90061e3)`, "1 d 1 h"},
		{`spellShort(5000)`, "5 s"},
		{`spellShort(5500)`, "5.5 s"},
		{`spellShort(3600e3)`, "1 h"},
		{`spellShort(36000e3)`, "10 h"},
		{`parseSpan("1h0m0.5s")`, "3600500"},
		{`parseSpan("-10m0s")`, "-600000"},
		{`parseSpan("1.5ms")`, "1.5"},
		{`ago(5000, 5999)`, "just now"},
		{`ago(5000, 4000)`, "just now"},
		{`ago(0, 9999)`, "9 s ago"},
		{`ago(0, 61e3)`, "1 min 1 s ago"},
		{`timeOfDay(1500, true)`, "00:00:01.500"},
		{`dateTime(86400e3)`, "1970-01-02 00:00:00 UTC"},
		{`skewText("-1m30s")`, "1 min 30 s behind"},
		{`skewText("0s")`, ""},
		{`describeFault({kind: "lost"})`, "connection closed"},
		{`describeFault({kind: "cut", delay: "2s"})`, "cut, 2 s late"},
		{`describeFault({status: 403, code: 20001, afterWork: true})`, "status 403, code 20001, after the work"},
		{`describeFault({header: {}})`, "another answer"},
		{`requestsOf("api", 2)`, "the next 2 API requests"},
		{`resultOf({status: 0}, 1).text`, "no answer yet"},
		{`resultOf({status: 0}, 0).text`, "no answer"},
		{`resultOf({status: 0, fault: "lost"}, 1).text`, "no answer"},
		{`resultOf({status: 302}, 0).tone`, "good"},
		{`inOrder([{number: 1, state: "live"}, {number: 2, state: "revoked"}, {number: 3, state: "blocked"}]).map((s) => s.number)`, "3,1,2"},
	} {
		got := value(t, p, chromedp.Evaluate[string]("Promise.all([import('./time.js'), import('./words.js')]).then(([a, b]) => {"+
			"with ({...a, ...b}) return String("+test.script+")})", chromedp.EvalAwaitPromise))
		assert.Equal(t, test.want, got, test.script)
	}
}
