// Package mutation breaks servers on purpose, to show that the behaviour rows would notice.
//
// A row that passes proves little until it has been seen to fail. Each Mutation stands between the clients of a row and
// kube-apiserver and makes of a correct server one with a single fault of the kind that hand-written servers have had:
// what it forgets to send, to check or to keep. The suite holds that the matching row is as expected without the
// mutation and not with it. That a row cannot be satisfied by nonsense is held without a cluster, by package behaviour's
// own tests.
package mutation
