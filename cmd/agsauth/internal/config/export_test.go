package config

// ParseFile parses the content of a configuration file, and returns the profile's settings.
func ParseFile(content []byte) (*Settings, error) {
	f, err := parse(content, "config.toml")
	if err != nil {
		return nil, err
	}
	r := &Resolved{Values: map[string]Value{}}
	if err := r.take(Sources{LookupEnv: func(string) (string, bool) { return "", false }}, f); err != nil {
		return nil, err
	}
	return r.Settings()
}
