// Package corpus lets the contract in shared/api/mysql/corpus be judged: in process by the CustomResourceDefinition's
// schema and CEL (SchemaJudge), in process by the Go code (GoJudge), and live by a running form (Submit). It is apart
// from the contract because it needs what shared/api may not import: the servers' own libraries, and a client.
package corpus

import (
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	contract "github.com/duet-api/duet/shared/api/mysql/corpus"
)

// namespace of objects that are judged in process.
const namespace = "default"

// verdict reads the answer to a request, which an error of another kind is not.
func verdict(err error) (contract.Verdict, error) {
	if err == nil {
		return contract.Verdict{Accepted: true}, nil
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return contract.Verdict{}, err
	}
	refusal := status.Status()
	return refused(&refusal), nil
}

// refused leaves out what is not about a field: a CustomResourceDefinition's note that some rules were not checked.
func refused(status *metav1.Status) contract.Verdict {
	result := contract.Verdict{Reason: status.Reason}
	if status.Details == nil {
		return result
	}
	for _, cause := range status.Details.Causes {
		// Some causes of the scale subresource begin with the dot of a JSONPath.
		if name := strings.TrimPrefix(cause.Field, "."); name != "" && name != "<nil>" {
			result.Causes = append(result.Causes, contract.Cause{Field: name, Reason: cause.Type})
		}
	}
	return result
}
