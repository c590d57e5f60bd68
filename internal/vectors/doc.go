// Package vectors runs the lifecycle's test vectors, which are in testdata/vectors
// at the root of the repository, against package tokensource. It has tests only.
package vectors
