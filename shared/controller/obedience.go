package controller

import (
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// notObeyed lists what the spec asks for and cannot be brought into force, each as "field: why": a server refuses it, or
// the world does. The condition ConfigurationApplied shows it: a field that is accepted and ignored in silence would be
// a lie of the API. What is only on its way, or waits for its time, is not in the list.
func notObeyed(instance *v1.MySQLInstance, o observation) []string {
	list := refusedByServers(o)
	if !o.connects && o.primaryRootSecret != "" && o.rootSecret != "" && o.primaryRootSecret != o.rootSecret {
		list = append(list, "spec.credentials: the data was made with the password of another Secret, "+
			"and the servers keep that password")
	}
	return append(list, backupNotObeyed(instance, o)...)
}
