package database

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"
)

// Product is who makes a server.
type Product string

// Products.
const (
	MySQL   Product = "MySQL"
	MariaDB Product = "MariaDB"
)

// Flavor is what a server is.
type Flavor struct {
	Product Product
	// Version is X.Y.Z, without what a distribution adds.
	Version string

	parsed *version.Version
}

// String is for people.
func (f Flavor) String() string { return string(f.Product) + " " + f.Version }

// CanClone says whether Donate and Clone work: MySQL has the plugin since 8.0.17.
func (f Flavor) CanClone() bool { return f.mysqlSince("8.0.17") }

func (f Flavor) mysqlSince(release string) bool {
	return f.Product == MySQL && f.parsed.AtLeast(version.MustParseGeneric(release))
}

// ParseFlavor reads what a server says about itself: version() and @@version_comment.
func ParseFlavor(text, comment string) (Flavor, error) {
	f := Flavor{Product: MySQL}
	if strings.Contains(text+comment, "MariaDB") || strings.Contains(strings.ToLower(comment), "mariadb") {
		f.Product = MariaDB
		// A prefix for clients that would refuse a version above 5: the real one comes after it.
		text = strings.TrimPrefix(text, "5.5.5-")
	}
	number, _, _ := strings.Cut(text, "-")
	parsed, err := version.ParseGeneric(number)
	if err != nil {
		return f, fmt.Errorf("could not read the server's version %q: %w", text, err)
	}
	f.parsed, f.Version = parsed, parsed.String()
	return f, nil
}
