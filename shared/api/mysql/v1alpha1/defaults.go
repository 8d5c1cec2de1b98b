package v1alpha1

// defaultRetentionDays is what v1 defaults to.
const defaultRetentionDays int32 = 7

// SetDefaults_MySQLInstanceSpec sets the one default that depends on another field and so cannot be a marker (the
// others are, on the types). A schema cannot say it either: in the crd form, the defaulting webhook calls this.
func SetDefaults_MySQLInstanceSpec(spec *MySQLInstanceSpec) {
	if spec.BackupSchedule != "" {
		if spec.BackupRetentionDays == nil {
			days := defaultRetentionDays
			spec.BackupRetentionDays = &days
		}
		return
	}
	// The default leaves with the schedule. Whoever removes the schedule never wrote it and could not apply it away,
	// and validation would refuse it as a retention of nothing.
	if spec.BackupRetentionDays != nil && *spec.BackupRetentionDays == defaultRetentionDays {
		spec.BackupRetentionDays = nil
	}
}
