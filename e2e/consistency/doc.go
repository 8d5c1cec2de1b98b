// Package consistency finds out whether an API kept its promises while something was done to its servers: a form was
// switched, a server was killed, a store was moved.
//
// A run of requests that all succeed proves little. A write may be acknowledged and lost, a watch may skip an event and
// go on, a read may be right alone and impossible together with another. This package records everything that clients
// saw, learns from the store itself what happened, and judges the one by the other afterwards.
//
// # The parts
//
//   - A Recorder keeps every request (who, what, its token, when it was sent and answered, and the answer), every event
//     of every watch, and what the oracle tells, with one monotonic clock. Client and Watcher send requests and record
//     them; anything else can, with Begin and Open.
//   - An Oracle knows every change from a source that the servers under test have no part in. Etcd is one: it watches
//     the keys of the resource directly. Where objects move from one etcd to another, there is one for each.
//   - Check judges the History, and gives a Verdict: counts, and each Violation with its evidence, as text or JSON.
//
// Each write carries a token in an annotation, or in the status, that no other write has. So a write whose answer never
// came is found in the store or not, and what a read shows is known to be of one write.
//
// # What is guaranteed
//
// Every write gets a resourceVersion, which is the store's revision: a witness of where in the one order of all writes
// it is. So most checks are linear in the history. Properties says in a sentence what each of them is about: K for
// writes, R for reads, W for watches, S for what a switch must keep. A clean Verdict says that for every request and
// event of this history
//
//   - every acknowledged write is in the store once, with the answered revision, UID, generation and token, after
//     everything that anybody had seen when it was sent (K1, K2), and over exactly the revision it named (K3);
//   - nothing that was refused, or only tried (dry run), is in the store (K2, K8), and, where every request to delete is
//     recorded, nothing was deleted that none of them asked to (K9);
//   - every 404, conflict and AlreadyExists had a reason at some moment while the request was under way (S4, K4, K5);
//   - a UID and a creationTimestamp stay with an object as long as it lives, and generation counts changes of its spec,
//     and the beginning of its deletion; somebody manages its fields as long as it lives, and nobody who waits with a
//     finalizer is passed over (K6), but for those that come while a request to delete is under way: kubernetes#77988;
//   - every read without a resourceVersion shows a state at least as new as anything that was seen before it was sent,
//     and every read shows what the store had at the revision it claims, pages and selectors included (R1 to R4);
//   - every connection of every watch told of every change in its scope between its first revision and its last, once,
//     in order, as what it was, and the next one went on from there (W1 to W7); and no watch that was still open when
//     the load had ended, and that was given time, had anything left to tell (W8);
//   - no revision was handed out twice or below an earlier one, also by another store (S1), and a copy in another
//     store is the object (S2);
//   - no request failed, but those that Options allow, and for no longer than they allow (S5).
//
// Where answers have no resourceVersion (404, 409, most answers to deletes), each may be justified alone while all
// together are not: a name that is not found between two reads that find it. For objects with such answers an order
// of all requests is searched for, with porcupine (KV).
//
// # What is not
//
// A Verdict is about one history. It proves violations, not their absence elsewhere, and its counts say how much there
// was to see. The checker accuses nobody who can be innocent: a 404 during a deletion by somebody whose requests are
// not recorded is justified as long as that deletion may have been under way. More recorded reads make that time
// shorter.
// The outcome of a request that was not answered, or answered with a 5xx or 408, is unknown: it may have happened once,
// then or later, or never. Kubernetes does not promise an order between resources, atomicity over objects, or that
// reads from a cache (resourceVersion=0) never go back, and that is not asked for.
//
// While objects move to another store, both are served from for a moment: one version of the API from the copy, and
// another from the original. An original counts as the newest state, although its revision is lower than the copy's,
// until anything is written to the copy.
//
// The store must not be encrypted at rest, and the oracle must see every change: etcd must not compact what it has not
// sent. If it does, the verdict says so (O).
//
// The package's tests let a simulated API make histories under a seeded scheduler: hundreds of correct ones, of which
// none may be accused, and some with one fault of each kind, of which each must be found.
package consistency
