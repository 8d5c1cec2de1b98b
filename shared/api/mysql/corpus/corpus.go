// Package corpus is the contract of both forms: requests with their verdict. Each one says which object is sent, in
// which version, whether it is accepted, and if not, which fields are named and why. The same requests are judged in
// process by the CustomResourceDefinition's schema and CEL, in process by the Go code, and live by each form; a
// difference between the judges is listed in the case, with its reason in prose, or it is a bug.
//
// The cases are the YAML files beside this one, one per topic. A rule that only Go can say, or that needs other
// objects, is not repeated case by case: the case names the rule's home, and Expect knows which judges go there.
package corpus

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/yaml"

	"github.com/duet-api/duet/shared/api/mysql"
)

//go:embed v1/*.yaml v1alpha1/*.yaml
var files embed.FS

// Home is where a rule lives, as the table in docs/decisions/0003-where-rules-live.md has it.
type Home string

// Homes.
const (
	// Decoding refuses what is no object of the type. A schema can say which field; a decoder of Go types cannot.
	Decoding Home = "decoding"
	// Strict refuses unknown and duplicate fields of a request that asks for it.
	Strict Home = "strict"
	// Metadata rules hold for every object of the API.
	Metadata Home = "metadata"
	// Schema rules are in the schema and in Go.
	Schema Home = "schema"
	// CEL rules are in the schema's x-kubernetes-validations and in Go.
	CEL Home = "cel"
	// Go rules are about one object, and no schema can say them.
	Go Home = "go"
	// LookUp rules are about other objects.
	LookUp Home = "look-up"
)

// Cause is one reason to refuse, as a Status has it in details.causes.
type Cause struct {
	Field  string           `json:"field"`
	Reason metav1.CauseType `json:"reason"`
}

// Verdict is what becomes of a request.
type Verdict struct {
	Accepted bool `json:"accepted,omitempty"`
	// Reason of the refusal. Empty means Invalid.
	Reason metav1.StatusReason `json:"reason,omitempty"`
	// Causes of the refusal.
	Causes []Cause `json:"causes,omitempty"`
}

// Difference is a verdict that some judges cannot share.
type Difference struct {
	Verdict `json:",inline"`
	// Why they cannot, in prose.
	Why string `json:"why"`
}

// Case is one request with its verdict.
type Case struct {
	// Name of the case; Object's name, unless the case is about names.
	Name string
	// Version of the request.
	Version string
	// Rule that the case is an example of. Each rule has cases on both sides.
	Rule string
	Home Home
	// Body of the request, in YAML: an object, or what should have been one.
	Body []byte
	// Old is the stored object that the request updates, in the same version; nil for a create.
	Old []byte
	// Subresource that the update goes to, or "".
	Subresource string
	// FieldValidation of the request, or "" for the server's default.
	FieldValidation string
	// Needs are the other objects that have to exist.
	Needs []unstructured.Unstructured
	// OnlyInProcess says why no server can be asked; empty if it can.
	OnlyInProcess string
	// Want is the verdict of the judges that go to Home and are not in Differs.
	Want Verdict
	// Differs holds the other verdicts, by a judge's name or family.
	Differs map[string]Difference
}

// written is a case as its file has it.
type written struct {
	Name string `json:"name"`
	Rule string `json:"rule"`
	Home Home   `json:"home"`
	// Spec, Status and Metadata are merged into a small valid object of the version; null removes.
	Spec     map[string]any `json:"spec,omitempty"`
	Status   map[string]any `json:"status,omitempty"`
	Metadata map[string]any `json:"metadata,omitempty"`
	// Old is merged likewise, and makes the case an update.
	Old *struct {
		Spec     map[string]any `json:"spec,omitempty"`
		Metadata map[string]any `json:"metadata,omitempty"`
	} `json:"old,omitempty"`
	// Body is the whole request instead, for what no merge can say.
	Body            string                      `json:"body,omitempty"`
	Subresource     string                      `json:"subresource,omitempty"`
	FieldValidation string                      `json:"fieldValidation,omitempty"`
	Needs           []unstructured.Unstructured `json:"needs,omitempty"`
	OnlyInProcess   string                      `json:"onlyInProcess,omitempty"`
	Refused         []Cause                     `json:"refused,omitempty"`
	Reason          metav1.StatusReason         `json:"reason,omitempty"`
	Differs         map[string]Difference       `json:"differs,omitempty"`
}

// Cases reads the whole corpus. An error means that a file of this package is wrong.
func Cases() ([]Case, error) {
	var cases []Case
	names := sets.New[string]()
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		var list []written
		if err := yaml.UnmarshalStrict(data, &list); err != nil {
			return fmt.Errorf("could not read %s: %w", name, err)
		}
		for _, w := range list {
			c, err := w.build(path.Dir(name))
			if err != nil {
				return fmt.Errorf("could not build %q of %s: %w", w.Name, name, err)
			}
			if names.Has(c.Name) {
				return fmt.Errorf("%s: a second case is called %q", name, c.Name)
			}
			names.Insert(c.Name)
			cases = append(cases, c)
		}
		return nil
	})
	return cases, err
}

func (w written) build(version string) (Case, error) {
	c := Case{
		Name: version + ": " + w.Name, Version: version, Rule: w.Rule, Home: w.Home,
		Subresource: w.Subresource, FieldValidation: w.FieldValidation, Needs: w.Needs, OnlyInProcess: w.OnlyInProcess,
		Want:    Verdict{Accepted: len(w.Refused) == 0 && w.Reason == "", Causes: w.Refused, Reason: w.Reason},
		Differs: w.Differs,
	}
	switch c.Home {
	case Decoding, Strict, Metadata, Schema, CEL, Go, LookUp:
	default:
		return Case{}, fmt.Errorf("home %q is none", c.Home)
	}
	if w.Rule == "" {
		return Case{}, fmt.Errorf("it is an example of no rule")
	}
	for judge, difference := range w.Differs {
		if difference.Why == "" {
			return Case{}, fmt.Errorf("no reason for the difference at %s", judge)
		}
		if !known(judge) {
			return Case{}, fmt.Errorf("no judge is called %s", judge)
		}
	}
	if w.Old != nil {
		old, err := yaml.Marshal(w.object(version, w.Old.Spec, w.Old.Metadata))
		if err != nil {
			return Case{}, err
		}
		c.Old = old
	}
	if w.Body != "" {
		c.Body = []byte(w.Body)
		return c, nil
	}
	object := w.object(version, w.Spec, w.Metadata)
	if w.Status != nil {
		object["status"] = w.Status
	}
	body, err := yaml.Marshal(object)
	if err != nil {
		return Case{}, err
	}
	c.Body = body
	return c, nil
}

// object is the smallest valid object of a version, with a case's own parts merged in.
func (w written) object(version string, spec, metadata map[string]any) map[string]any {
	least := map[string]any{"version": "8.4.5", "storage": map[string]any{"size": "10Gi"}}
	if version == "v1alpha1" {
		least = map[string]any{"engineVersion": "8.4.5", "storageGB": 10}
	}
	return map[string]any{
		"apiVersion": mysql.GroupName + "/" + version,
		"kind":       "MySQLInstance",
		"metadata":   merged(map[string]any{"name": objectName(w.Name)}, metadata),
		"spec":       merged(least, spec),
	}
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

func objectName(name string) string {
	return strings.Trim(notInNames.ReplaceAllString(strings.ToLower(name), "-"), "-")
}

// merged is a JSON merge patch.
func merged(base, patch map[string]any) map[string]any {
	for key, value := range patch {
		inner, isMap := value.(map[string]any)
		innerBase, baseIsMap := base[key].(map[string]any)
		switch {
		case value == nil:
			delete(base, key)
		case isMap && baseIsMap:
			base[key] = merged(innerBase, inner)
		default:
			base[key] = value
		}
	}
	return base
}
