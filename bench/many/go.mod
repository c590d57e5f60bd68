module github.com/agsauth/agsauth/bench/many

go 1.26.0

require (
	github.com/agsauth/agsauth v0.0.0
	github.com/agsauth/agsauth/store/boltstore v0.0.0
	github.com/agsauth/agsauth/store/redisstore v0.0.0
	github.com/redis/go-redis/v9 v9.23.0
	golang.org/x/oauth2 v0.37.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/gofrs/flock v0.13.1 // indirect
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/hashicorp/go-cleanhttp v0.5.2 // indirect
	github.com/hashicorp/go-retryablehttp v0.7.8 // indirect
	go.etcd.io/bbolt v1.5.0 // indirect
	go.uber.org/atomic v1.12.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
)

replace github.com/agsauth/agsauth => ../..

replace github.com/agsauth/agsauth/store/boltstore => ../../store/boltstore

replace github.com/agsauth/agsauth/store/redisstore => ../../store/redisstore
