package v1

// AnnotationRestartedAt on an instance asks for a rolling restart of its servers: each is restarted once for every new
// value. The value is by convention the time of the request in RFC 3339, as with `kubectl rollout restart`. It is no
// field of the spec because it asks for an event, not for a state.
const AnnotationRestartedAt = GroupName + "/restarted-at"

// AnnotationPreviousUID on an instance is the UID that it had before a switch that cannot keep UIDs made it anew: what
// knows the instance by that UID finds the new one by it.
const AnnotationPreviousUID = GroupName + "/previous-uid"
