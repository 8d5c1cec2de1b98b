package badinput

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/duet-api/duet/shared/install"
)

// What is not refused in words that a client can act on must say why that is right; what is must not make excuses.
func TestEveryExceptionHasAReason(t *testing.T) {
	titles := sets.New[string]()
	for _, c := range Cases() {
		if titles.Has(c.Title) {
			t.Errorf("%s: the title is there twice", c.Title)
		}
		titles.Insert(c.Title)
		refused := Refusal(c.Want(install.CRD)) && Refusal(c.Want(install.Aggregated))
		if refused != (c.Reason == "") {
			t.Errorf("%s: crd %q, aggregated %q, reason %q", c.Title, c.CRD, c.Aggregated, c.Reason)
		}
	}
}

func TestRefusal(t *testing.T) {
	for verdict, want := range map[string]bool{
		"400 BadRequest": true, "422 Invalid: spec.version": true, "201": false, "500 InternalError": false,
		"404 without a Status object": false, NoAnswer: false,
	} {
		if got := Refusal(verdict); got != want {
			t.Errorf("%q: got %t, want %t", verdict, got, want)
		}
	}
}
