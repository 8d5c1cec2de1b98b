// Package backup is what everybody who deals with an instance's backups must agree on: the scripts that take one and
// put it back, and how a backup is started now and not on schedule. It exists apart from the controller, which makes
// the CronJob, because the aggregated form starts backups (mysqlinstances/backup) and does not link the controller.
// The name of the CronJob is names.Backup.
package backup

// AnnotationInstantiate marks a Job that somebody made from a CronJob, as kubectl does.
const (
	AnnotationInstantiate = "cronjob.kubernetes.io/instantiate"
	instantiateManual     = "manual"
)
