package switching

import (
	"strings"
	"testing"
)

func TestDecoded(t *testing.T) {
	stored := snapshot{values: map[string][]byte{
		"shop/db": []byte(`{"apiVersion":"mysql.example.com/v1","kind":"MySQLInstance","metadata":{"name":"db","namespace":"shop"}}`),
	}}
	objects, err := stored.decoded()
	if err != nil || len(objects) != 1 || objects["shop/db"].GetName() != "db" {
		t.Errorf("decoded() = %v, %v", objects, err)
	}
	for content, want := range map[string]string{
		"k8s\x00\x0a":         "only a server that answers",
		"k8s:enc:aescbc:v1:x": "only a server that answers",
		"{":                   "could not read shop/db",
	} {
		stored.values["shop/db"] = []byte(content)
		if _, err := stored.decoded(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", content, err, want)
		}
	}
}
