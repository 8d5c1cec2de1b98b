// Package controller is the one controller of MySQLInstance: it makes the cluster look as an instance's spec asks, and
// says in the instance's status how far it got.
//
// It exists once because the comparison would mean nothing otherwise: whether a CustomResourceDefinition or an
// aggregated server answers for mysql.example.com, the same binary with the same rights does the same work. It knows
// the API only as mysql.example.com/v1 and therefore imports neither form.
//
// # How it works
//
//   - Desired state is one pure function for each child (secret.go, configmap.go, services.go,
//     poddisruptionbudget.go, statefulset.go, backup.go): an instance and a few facts go in, an apply configuration
//     comes out. What the functions need to know of the world is gathered beforehand (facts.go), so that they can be
//     tested as tables.
//   - Each child is written by one server-side apply under the field manager "duet-controller" (apply.go), and only
//     when the fields that this manager owns in the live object differ from the wanted ones. A settled instance costs
//     no write at all, and a change by anybody else to one of those fields is undone.
//   - An object that exists under a child's name and is not the instance's is never touched: the controller says so in
//     a condition and waits.
//   - Status is read from the children, their pods and their volumes (status.go, conditions.go), never copied from the
//     spec. What the spec asks for and cannot be brought into force is listed in the condition ConfigurationApplied
//     (obedience.go).
//   - What servers take up only by being restarted is the roll-out (rollout.go): the pod template with version,
//     resources, certificate and requests to restart, and the settings that need a start. A change of it is what
//     "disruptive" means. It waits for the maintenance window (maintenance.go) unless there is nothing to disrupt, never
//     lowers the version, and takes one release series at a time (plan.go). Everything else is obeyed at once.
//   - Running servers are looked after over SQL (replication.go, replication_repair.go): the primary and its replicas,
//     the root password (credentials.go) and settings that need no restart (livesettings.go). What is done to a replica
//     is decided by one function of what was found (replication_decision.go), and never takes from a server what only
//     that one has. docs/replication.md says it for those who run it.
//   - Volumes grow under running servers, with the StatefulSet made anew around its pods (storage.go).
//   - The root password is drawn once and created, never applied: no later reconcile, stale cache or second leader can
//     overwrite it.
//   - The finalizer mysql.example.com/volumes holds a deleted instance until its volumes were deleted or set free
//     (finalizer.go). No child is ever deleted because of an error: the controller deletes only for an instance that
//     it has read and that carries a deletion timestamp, that asks for no more backups (backup_write.go), or that
//     needs its StatefulSet made anew for larger volumes; the rest is the garbage collector's work.
//
// # Running it
//
// [Setup] (setup.go) wires the reconciler to a manager. The API may be absent when the controller starts, because
// neither form is installed or its server is down: apiwait.go waits and says what it waits for. When the server goes
// away later, reads come from the cache, writes fail and are tried again, and nothing else happens.
package controller
