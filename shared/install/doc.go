// Package install is the seam between Duet and the two ways to serve MySQLInstance. A form is a value that says which
// objects make the API appear, which processes stand behind them and what it is able to do; everything else here
// (the install flag, its refusal to put one form over the other, the wait until a real LIST answers, uninstalling
// without losing an object) is the same for both, and so are the switch, the matrix and the benchmark that build on it.
package install
