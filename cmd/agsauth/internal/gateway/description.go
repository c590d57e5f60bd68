package gateway

// Description is the help text of the command.
const Description = `Gateway serves a gateway that is made for tests, and an API that requires its tokens,
until it is interrupted. When it listens, it prints a JSON object on one line of standard output:

    {"url":"http://127.0.0.1:…","api":"http://127.0.0.1:…/api","listen":"127.0.0.1:…",
     "admin":"http://127.0.0.1:…"}   and, with --tls, "ca":"…/ca.pem"

The default user is dave, with the password "open sesame". The admin interface changes
what the gateway does, and shows what it has seen:

    GET  /requests?op=refresh&wait=5s     the requests so far; GET /events has them as they come
    POST /faults {"op": "refresh", "kind": "lost", "afterWork": true}
    PUT  /rejections {"next": 1}          the API rejects the next valid access token
    PUT  /clock {"advance": "10m"}
    GET  /sessions                        and POST /sessions/1/revoke
    POST /accounts/1663/suspend           and cancel, restore
    POST /devices/PUB_1/delete            and disable, enable
    POST /reset                           as at the start

With --web, a page on the same listener shows all that, and has buttons for the common
faults. Its URL is "web" in the line of JSON.

The "op" of a fault is discovery, sign-on, subsequent-sign-on, session-token,
sign-on-with-session-token, refresh, sign-out, api or other. Its "kind" is lost, garbage,
html, empty, redirect, cut, cut-chunked, drip or oversized, or it has none and sets the
"status", "code", "body" or "delay". The documentation of agstest.Server.Admin has all
paths and fields.

A file of settings is TOML. It may have each flag by its name, and what has no flag:

    version = 1
    access-lifetime = "5s"
    services = ["Customer Auth Service"]   # and tenant, reuse-grace, newest-access-only,
                                           # optional-parameters
    [[account]]
    id = "1663"
    username = "dave"
    password = "open sesame"

    [quirks]                               # the fields of agstest.Quirks, in lower case
    string-lifetimes = true`
