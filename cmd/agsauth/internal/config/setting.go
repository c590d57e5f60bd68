package config

import "strings"

// A Setting is a value of a profile that has a name.
type Setting struct {
	// Key is its name in the file, and that of its flag.
	Key string
	// Placeholder stands for the value in the usage of the flag. It is empty if the
	// setting is true or false.
	Placeholder string
	// Usage describes it in one line.
	Usage string
	// Default is its value if nothing sets it.
	Default string
	// Remembered says that login stores it beside the session, so that later commands
	// need no configuration.
	Remembered bool
	// Path says that the value is the path of a file.
	Path bool
}

// Env returns the name of the environment variable that sets it.
func (s Setting) Env() string {
	return "AGSAUTH_" + strings.ToUpper(strings.ReplaceAll(s.Key, "-", "_"))
}

// The keys of the settings. They are the names of the flags, and used in files.
const (
	keyGateway          = "gateway"
	KeyService          = "service" // login sets it, if it asks for the service
	keyTenant           = "tenant"
	keyAPI              = "api"
	keyDialect          = "dialect"
	keyCAFile           = "ca-file"
	keyStore            = "store"
	keySession          = "session"
	keyKeyring          = "keyring"
	keyParamFile        = "param-file"
	keyDeviceInfo       = "device-info"
	keyTimeout          = "timeout"
	keyRefreshBefore    = "refresh-before"
	keyBareRefreshToken = "bare-refresh-token"
	keyOmitParameters   = "omit-parameters"
	keyAllowInsecure    = "allow-insecure"
)

// All returns all settings, in the order in which they are shown. A file may also have
// the tables "parameters" and "headers"; see [Settings].
func All() []Setting {
	return []Setting{
		{Key: keyGateway, Placeholder: "URL", Usage: "base URL of the gateway", Remembered: true},
		{Key: KeyService, Placeholder: "NAME", Usage: "sign-on service, as agsauth discover names it", Remembered: true},
		{Key: keyTenant, Placeholder: "NAME", Usage: "tenant", Default: "nagra", Remembered: true},
		{Key: keyAPI, Placeholder: "URL", Usage: "base URL of the API, for request and proxy", Remembered: true},
		{Key: keyDialect, Placeholder: "NAME", Usage: "form of the gateway's calls: ags, ias-v3 or ias-v2", Default: "ags", Remembered: true},
		{Key: keyCAFile, Placeholder: "FILE", Usage: "also trust the certificate authorities in this PEM file", Remembered: true, Path: true},
		{Key: keyStore, Placeholder: "PLACE", Usage: "where the session is stored: a file, or a redis:// or rediss:// URL (default: a file in the state folder)", Remembered: true, Path: true},
		{Key: keySession, Placeholder: "NAME", Usage: "name of the session in Redis (default: that of the profile)", Remembered: true},
		{Key: keyKeyring, Usage: "encrypt the stored session with a key in the system's keyring", Default: "false", Remembered: true},
		{Key: keyParamFile, Placeholder: "FILE", Usage: "sign-on parameters, one name=value a line", Path: true},
		{Key: keyDeviceInfo, Placeholder: "FILE", Usage: "JSON document that describes a new device", Remembered: true, Path: true},
		{Key: keyTimeout, Placeholder: "DURATION", Usage: "time for one attempt to reach the gateway", Default: "15s"},
		{Key: keyRefreshBefore, Placeholder: "DURATION", Usage: "refresh a token this long before it expires (default: a tenth of its life)", Remembered: true},
		{Key: keyBareRefreshToken, Usage: "send the refresh token without the word Bearer", Default: "false", Remembered: true},
		{Key: keyOmitParameters, Usage: "send refreshes and sign-outs without parameters", Default: "false", Remembered: true},
		{Key: keyAllowInsecure, Usage: "allow plain HTTP to hosts other than this one", Default: "false", Remembered: true},
	}
}

func find(key string) (Setting, bool) {
	for _, s := range All() {
		if s.Key == key {
			return s, true
		}
	}
	return Setting{}, false
}
