package exit

import (
	"errors"
	"regexp"
	"strings"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// packages matches the names of the library's packages at the beginning of a part of an
// error's text. They mean something to a programmer only.
var packages = regexp.MustCompile(`(^|: |; )(?:(?:transport: get token|transport|tokensource|redisstore|store|ags): )+`)

// configuration begins the errors of an [ags.Config], which name its fields.
const configuration = "ags: config: "

// settingNames puts the names of settings in place of the fields of an [ags.Config].
func settingNames() *strings.Replacer {
	return strings.NewReplacer(
		configuration, "", "BaseURL", "gateway", "AllowInsecure", "--allow-insecure",
		"TenantID", "tenant", "AuthServiceID", "service", "Timeout", "timeout",
		"DeviceInformation", "device-info", "BareRefreshToken", "bare-refresh-token",
		"Header has", "the table headers has", "IASv2", "ias-v2", "IASv3", "ias-v3",
	)
}

// Plain returns the text of an error of the library in the words of the command line.
func Plain(text string) string {
	if strings.Contains(text, configuration) {
		text = settingNames().Replace(text)
	}
	text = packages.ReplaceAllString(text, "$1")
	return strings.ReplaceAll(text, tokensource.FixedExpired.String(), "the session has reached its fixed end")
}

// unreachableHint says what to do about a gateway that could not be reached. The error of
// a call has a description of its cause only, not the cause.
func unreachableHint(err error) string {
	call, ok := errors.AsType[*ags.Error](err)
	if !ok || call.Err == nil {
		return "; try again later, or run agsauth doctor"
	}
	cause := call.Err.Error()
	for _, known := range []struct{ part, hint string }{
		{"signed by unknown authority", "trust that authority with --ca-file, or run agsauth doctor"},
		{"certificate is not valid for the host", "correct the host of --gateway, or run agsauth doctor"},
		{"certificate", "agsauth doctor says why"},
		{"does not speak TLS", "if it has none, use http:// in --gateway; agsauth doctor says more"},
		{"HTTP response to HTTPS client", "if it has no TLS, use http:// in --gateway; agsauth doctor says more"},
		{"no such host", "correct the host of --gateway, or run agsauth doctor"},
	} {
		if strings.Contains(cause, known.part) {
			return "; " + known.hint
		}
	}
	return "; try again later, or run agsauth doctor"
}

// failureHint says what to do about a store that failed.
func failureHint(err error) string {
	if tokensource.ClassOf(err) == tokensource.ClassStore {
		return "; agsauth doctor checks the store"
	}
	return ""
}
