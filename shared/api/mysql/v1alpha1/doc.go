// +k8s:openapi-gen=true
// +k8s:deepcopy-gen=package
// +k8s:conversion-gen=github.com/duet-api/duet/shared/api/mysql
// +k8s:defaulter-gen=TypeMeta
// +k8s:openapi-model-package=com.example.mysql.v1alpha1
// +groupName=mysql.example.com

// Package v1alpha1 is the first, deprecated version of the MySQLInstance API: flat, with bools and units in field
// names, as cloud databases have it. It is still served so that conversion is real work: the functions here turn it
// into the hub (../) and back without losing what either side cannot say.
//
// # How conversion keeps everything
//
// Each field of the one version is paired with its field in the other, by two plain functions that need not be exact
// (pairs.go, window.go, status.go). Around every pair, toV1 and fromV1 (luggage.go) do the same in both directions:
// convert, convert back, and if that is not what was there, carry the original in an annotation of the result.
//
//   - mysql.example.com/v1-fields, on v1alpha1 objects: what v1 says and v1alpha1 cannot. A size of 1536Mi, a NodePort,
//     the conditions. It is dropped on the way to the hub, and each value is obeyed only while converting it gives what
//     the v1alpha1 field says: whoever changes storageGB means it.
//   - mysql.example.com/v1alpha1-fields, on hub and v1 objects: what a v1alpha1 client wrote and v1 has no place for.
//     An unknown class, a window that is none. Conversion may not fail, or such a request would be a bad one (400)
//     instead of an invalid one (422) with the path of the field. So the value travels to validation, and validation refuses
//     every object with this annotation, with one error per value (Refused): it is not stored.
//
// phase and message are computed from the conditions and never become any: nothing written there has a meaning.
//
// The annotations are ordinary ones, so a v1alpha1 client that replaces a whole object without them replaces what they
// carried: size 1536Mi becomes the 2Gi that storageGB shows, and a custom class is refused.
package v1alpha1
