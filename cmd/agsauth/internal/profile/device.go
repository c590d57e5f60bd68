package profile

import (
	"encoding/json"
	"os"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/signon"
)

// DeviceInformation returns the JSON document that describes a new device: the content of
// the file at path, or the name of this host if path is empty.
func DeviceInformation(path string) (json.RawMessage, error) {
	var content []byte
	if path != "" {
		var err error
		if content, err = os.ReadFile(path); err != nil {
			return nil, exit.Usagef("the device information cannot be read: %w", err)
		}
	}
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "" // Device has a default
	}
	return signon.Device(content, hostname)
}
