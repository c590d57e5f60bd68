// Package modeltest has no code outside its tests. They run whole Sources in random
// scenarios and check the promises of package tokensource against a model of their own.
package modeltest
