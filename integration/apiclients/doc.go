// Package apiclients checks the Source inside the clients of well-known APIs.
package apiclients
