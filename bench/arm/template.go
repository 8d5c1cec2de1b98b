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
)

// newTemplate renders an object that has each mark in it once. The object is padded, by the function, to the wanted
// number of bytes outside of its gaps.
func newTemplate(object any, wantBytes int, pad func(padding string)) (template, error) {
	pad("")
	short, err := json.Marshal(object)
	if err != nil {
		return template{}, fmt.Errorf("could not render an object of the corpus: %w", err)
	}
	const gaps = len(nameMark + namespaceMark + resourceVersionMark + revisionMark)
	missing := wantBytes + gaps - len(short)
	if missing < 0 {
		return template{}, fmt.Errorf("could not render an object of the corpus in %d bytes: it has %d more before padding",
			wantBytes, -missing)
	}
	pad(strings.Repeat("x", missing))
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
	for _, candidate := range []string{nameMark, namespaceMark, resourceVersionMark, revisionMark} {
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
		}
	}
	return append(to, t.parts[len(t.gaps)]...)
}
