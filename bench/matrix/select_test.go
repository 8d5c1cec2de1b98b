package matrix

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/e2e/behaviour"
)

func TestSelect(t *testing.T) {
	rows := []behaviour.Row{
		{ID: "A1", Group: behaviour.Machinery},
		{ID: "A2", Group: behaviour.Machinery, Labels: []string{behaviour.Slow}},
		{ID: "F1", Group: behaviour.Security, Labels: []string{behaviour.Slow, behaviour.Disruptive}},
	}
	tests := map[string]struct {
		by   Selection
		want []string
		// wantError is a part of the message.
		wantError string
	}{
		"everything":                    {Selection{}, []string{"A1", "A2", "F1"}, ""},
		"a row":                         {Selection{IDs: []string{"A2"}}, []string{"A2"}, ""},
		"a row in lower case":           {Selection{IDs: []string{"a2", "f1"}}, []string{"A2", "F1"}, ""},
		"a group":                       {Selection{Groups: []string{"Security"}}, []string{"F1"}, ""},
		"the beginning of a group":      {Selection{Groups: []string{"api"}}, []string{"A1", "A2"}, ""},
		"labels":                        {Selection{Labels: "slow && !disruptive"}, []string{"A2"}, ""},
		"the group as a label":          {Selection{Labels: "Security || A1"}, []string{"A1", "F1"}, ""},
		"group and labels":              {Selection{Groups: []string{"api"}, Labels: "!slow"}, []string{"A1"}, ""},
		"a row that is not there":       {Selection{IDs: []string{"A1", "Z9"}}, nil, `no row "Z9"`},
		"a group that is not there":     {Selection{Groups: []string{"gardening"}}, nil, "the groups are API machinery, Security"},
		"labels that nothing has":       {Selection{Labels: "fast"}, nil, "no row is in all"},
		"a filter that cannot be read":  {Selection{Labels: "slow &&"}, nil, "could not read the label filter"},
		"nothing in both of two wishes": {Selection{IDs: []string{"A1"}, Groups: []string{"Security"}}, nil, "no row is in all"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			selected, err := Select(rows, test.by)
			if test.wantError != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantError) {
					t.Fatalf("error %v, want one with %q", err, test.wantError)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, row := range selected {
				ids = append(ids, row.ID)
			}
			if diff := cmp.Diff(test.want, ids); diff != "" {
				t.Errorf("selected rows (-want +got):\n%s", diff)
			}
		})
	}
}
