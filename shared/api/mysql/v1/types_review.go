package v1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +genclient:onlyVerbs=create
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// MySQLParameterReview asks which parameters an instance of a version would be refused for: create one, and the answer
// has the verdict in its status. It is never stored, so it can only be created; like TokenReview and
// SubjectAccessReview it needs a server that runs code, and a CustomResourceDefinition cannot serve it. It has no
// namespace because nothing in a namespace bears on the answer.
type MySQLParameterReview struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata. It is not needed.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// spec is what to judge.
	// +required
	Spec MySQLParameterReviewSpec `json:"spec" protobuf:"bytes,2,opt,name=spec"`

	// status is the verdict. What a request says here is ignored.
	// +optional
	Status MySQLParameterReviewStatus `json:"status,omitempty,omitzero" protobuf:"bytes,3,opt,name=status"`
}

// MySQLParameterReviewSpec is what to judge.
type MySQLParameterReviewSpec struct {
	// version is the MySQL version, as in the spec of an instance.
	// +required
	Version string `json:"version" protobuf:"bytes,1,opt,name=version"`

	// memory of each server. Without it nothing is said about whether innodb_buffer_pool_size fits.
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty" protobuf:"bytes,2,opt,name=memory"`

	// parameters as in the spec of an instance.
	// +optional
	// +listType=atomic
	Parameters []Parameter `json:"parameters,omitempty" protobuf:"bytes,3,rep,name=parameters"`
}

// MySQLParameterReviewStatus is the verdict.
type MySQLParameterReviewStatus struct {
	// accepted is whether an instance could have all of the parameters.
	Accepted bool `json:"accepted" protobuf:"varint,1,opt,name=accepted"`

	// refused are the parameters that an instance could not have, in the order of the request.
	// +optional
	// +listType=atomic
	Refused []RefusedParameter `json:"refused,omitempty" protobuf:"bytes,2,rep,name=refused"`

	// needRestart are the accepted parameters whose change restarts the servers; the others are changed while they run.
	// +optional
	// +listType=set
	NeedRestart []string `json:"needRestart,omitempty" protobuf:"bytes,3,rep,name=needRestart"`
}

// RefusedParameter is one parameter that an instance could not have.
type RefusedParameter struct {
	// name of the parameter.
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`

	// reason is a word for programs, as the cause of an Invalid error has it: FieldValueInvalid, FieldValueForbidden,
	// FieldValueDuplicate, ...
	Reason metav1.CauseType `json:"reason" protobuf:"bytes,2,opt,name=reason,casttype=k8s.io/apimachinery/pkg/apis/meta/v1.CauseType"`

	// message says to a person what is wrong, and what would be right.
	Message string `json:"message" protobuf:"bytes,3,opt,name=message"`
}
