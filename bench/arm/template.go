package arm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// A template is an object rendered once, with gaps. Filling the gaps costs a copy: the generator's own encoding would
// otherwise be part of what it measures, and the same for no two kinds.
type template struct {
	// parts are the bytes around the gaps; gaps[i] follows parts[i].
	parts [][]byte
	gaps  []string
}

// Marks stand for the gaps in an object that is about to become a template. No field of a corpus contains them.
const (
	nameMark            = "@name@"
	namespaceMark       = "@namespace@"
	resourceVersionMark = "@resourceVersion@"
	revisionMark        = "@revision@"
	setMark             = "@set@"
)

// marks in the order of their names.
var marks = []string{nameMark, namespaceMark, resourceVersionMark, revisionMark, setMark}

// missingBytes is how many an object, which has each mark in it once, lacks to the wanted number outside of its gaps.
func missingBytes(object any, wantBytes int) (int, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return 0, fmt.Errorf("could not render an object of the corpus: %w", err)
	}
	missing := wantBytes + len(strings.Join(marks, "")) - len(text)
	if missing < 0 {
		return 0, fmt.Errorf("could not render an object of the corpus in %d bytes: it has %d more before padding",
			wantBytes, -missing)
	}
	return missing, nil
}

// newTemplate renders an object.
func newTemplate(object any) (template, error) {
	rest, err := json.Marshal(object)
	if err != nil {
		return template{}, fmt.Errorf("could not render an object of the corpus: %w", err)
	}
	var t template
	for {
		mark, at := firstMark(rest)
		if mark == "" {
			t.parts = append(t.parts, rest)
			return t, nil
		}
		t.parts, t.gaps = append(t.parts, rest[:at]), append(t.gaps, mark)
		rest = rest[at+len(mark):]
	}
}

func firstMark(in []byte) (mark string, at int) {
	at = len(in)
	for _, candidate := range marks {
		if i := bytes.Index(in, []byte(candidate)); i >= 0 && i < at {
			mark, at = candidate, i
		}
	}
	return mark, at
}

func (t template) append(to []byte, object Object) []byte {
	for i, gap := range t.gaps {
		to = append(to, t.parts[i]...)
		switch gap {
		case nameMark:
			to = append(to, object.Name...)
		case namespaceMark:
			to = append(to, object.Namespace...)
		case resourceVersionMark:
			to = append(to, object.ResourceVersion...)
		case revisionMark:
			to = append(to, object.revisionText()...)
		case setMark:
			to = append(to, object.Set...)
		}
	}
	return append(to, t.parts[len(t.gaps)]...)
}
