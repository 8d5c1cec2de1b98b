// Package admission holds the rules about an instance that need another object: that a Secret it names exists and holds
// what the instance needs, that a StorageClass exists, and that a volume may grow.
//
// It exists apart from shared/api/mysql/validation because these rules are of another nature. They need a client and
// rights, they can fail for reasons that are not the user's, and they only hold at the moment of the request: the Secret
// may be deleted the next second, and the controller has to live with that. So they are asked only about what a request
// changes. Whoever labels an instance, or scales it, is not refused because of a Secret that somebody else deleted.
//
// Both forms run this code: the crd form in its validating webhook, the aggregated form in an admission plugin. What
// they add is a client and the translation of field paths, never a rule.
//
// A look-up is made with the rights of the server and not with those of the user. Somebody who may write instances can
// so learn whether a Secret of the same namespace exists and has a key, but never a value. That is no more than the
// instance itself would show them, since its servers start, or fail to start, with that Secret.
package admission
