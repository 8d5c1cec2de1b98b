// Package wire sends requests to an API server exactly as a test writes them, and keeps what went over the wire.
//
// The behaviour rows and the bad-input cases compare two servers byte for byte: content types that no client library
// offers, bodies that no encoder writes, headers that client-go folds together. They need a client that adds nothing,
// hides nothing and repeats nothing, and a record of each exchange that a reader can check.
package wire
