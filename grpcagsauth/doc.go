// Package grpcagsauth sends the access tokens of a [tokensource.Source] with the calls of a
// gRPC client, and makes a call once more if the server rejects its token.
//
//	options := append(grpcagsauth.DialOptions(session),
//		grpc.WithTransportCredentials(credentials.NewTLS(nil)))
//	conn, err := grpc.NewClient("api.example.com:443", options...)
//
// # Where the token goes
//
// The token is sent in the "authorization" metadata of each call, over TLS only, unless
// [AllowInsecure] is given. A call that has an "authorization" in its outgoing metadata is
// sent with that one alone. The same applies to a call whose own credentials, from
// grpc.PerRPCCredentials, set one; they are asked twice.
//
// # Which calls are made again
//
// A rejection is the status Unauthenticated from the server. The token that was sent, and
// no other, is reported to the source. If the source then has another one, the call is made
// once more, and the caller gets its outcome, whatever it is: a server that rejects every
// token costs two calls.
//
// A unary call is always made again. gRPC has discarded its response, if there was one. A
// stream is opened again if nothing was received, neither a header nor a message, and
// everything that was sent can be sent again. The request of a server stream always can.
// For other streams, up to 64 KiB of Protocol Buffers messages are kept until something is
// received. If the server ends a stream while the client still
// sends, SendMsg waits until it is known whether the stream is opened again, and returns
// io.EOF only if it is not.
//
// A stream from which something was received is left alone, however long it lasts. A
// stream whose Context method was called is not opened again either.
//
// # Errors
//
// A call waits for a token no longer than its context allows. A call without a token is not
// sent. Its status code is
//
//	Unauthenticated               the session has ended, or the source is closed
//	Unavailable                   there is no token for now
//	DeadlineExceeded, Canceled    the context of the call has ended
//
// The error of the source is wrapped:
//
//	var ended *tokensource.LoginRequiredError
//	if errors.As(err, &ended) { … }
//
// This also applies if the server has rejected a token and the source then returns an
// error. If the source still returns the same token, the status of the server is returned
// as it is. No
// error of this package contains a token, and gRPC logs none.
//
// # With a retry policy
//
// An interceptor that repeats or hedges calls by itself must come before those of
// [DialOptions], so that each of its calls passes through them.
//
// gRPC repeats calls by the retry policy of a service config below this package: for each
// of the two calls it makes as many attempts as the policy allows, all with the tokens that
// the source has at the time. Do not list UNAUTHENTICATED there, which repeats calls with
// the rejected token. If UNAVAILABLE is listed, calls without a token are repeated, too; the
// source answers them at once until its own next attempt is due.
package grpcagsauth
