// Package sysvar knows MySQL's system variables: which values each takes, in which releases it exists, whether a
// change needs a restart, and which ones belong to the controller. Validation asks it before an option file is
// written that no server would start with; the controller asks it how to bring a change into force. The facts are in
// table.go and come from the MySQL reference manuals; what is not in the table is refused.
package sysvar

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/duet-api/duet/shared/api/mysql/release"
)

// Kind is the form of a variable's values.
type Kind string

// Kinds of values.
const (
	Boolean Kind = "boolean"
	Integer Kind = "integer"
	// Bytes is an integer that may end in K, M, G, T, P or E.
	Bytes Kind = "bytes"
	Float Kind = "number"
	Enum  Kind = "enumeration"
	// Set is a list of names, separated by commas.
	Set    Kind = "set"
	String Kind = "string"
)

// Variable is one system variable.
type Variable struct {
	// Name in lower case with underscores.
	Name string
	Kind Kind
	// Min and Max bound an Integer or Bytes, both included.
	Min, Max uint64
	// MinFloat and MaxFloat bound a Float, both included.
	MinFloat, MaxFloat float64
	// Values are the names that an Enum or Set takes, in any case.
	Values []string
	// Since is the first release that has it, RemovedIn the first one that no longer has; empty is no limit.
	Since, RemovedIn string
	// Static variables take a new value only when the server starts.
	Static bool
	// Owned says why the controller sets the variable and its user may not; empty for the user's own.
	Owned string
}

// Lookup finds a variable by its name.
func Lookup(name string) (Variable, bool) {
	variable, found := byName[name]
	return variable, found
}

// Names of all variables in the table, sorted.
func Names() []string {
	names := make([]string, 0, len(byName))
	for name := range byName {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// In tells whether a release has the variable.
func (v Variable) In(r release.Version) bool {
	if v.Since != "" && r.Compare(mustParse(v.Since)) < 0 {
		return false
	}
	return v.RemovedIn == "" || r.Compare(mustParse(v.RemovedIn)) < 0
}

// Check returns an error that says what the variable takes instead of the value.
func (v Variable) Check(value string) error {
	switch v.Kind {
	case Boolean:
		return oneOf(value, []string{"ON", "OFF", "1", "0", "TRUE", "FALSE"})
	case Integer, Bytes:
		return v.checkNumber(value)
	case Float:
		number, err := strconv.ParseFloat(value, 64)
		if err != nil || !(number >= v.MinFloat && number <= v.MaxFloat) {
			return fmt.Errorf("must be a number from %s to %s", plain(v.MinFloat), plain(v.MaxFloat))
		}
	case Enum:
		return oneOf(value, v.Values)
	case Set:
		for _, name := range strings.Split(value, ",") {
			if value != "" && oneOf(strings.TrimSpace(name), v.Values) != nil {
				return fmt.Errorf("must be a comma-separated list of %s", strings.Join(v.Values, ", "))
			}
		}
	}
	return nil
}

func (v Variable) checkNumber(value string) error {
	number, err := ParseBytes(value)
	if v.Kind == Integer && err == nil && strings.Trim(value, "0123456789") != "" {
		err = fmt.Errorf("has a unit")
	}
	if err != nil || number < v.Min || number > v.Max {
		return fmt.Errorf("must be an integer from %d to %d", v.Min, v.Max)
	}
	return nil
}

func plain(number float64) string { return strconv.FormatFloat(number, 'f', -1, 64) }

func oneOf(value string, values []string) error {
	if !slices.ContainsFunc(values, func(known string) bool { return strings.EqualFold(known, value) }) {
		return fmt.Errorf("must be one of %s", strings.Join(values, ", "))
	}
	return nil
}

// units are powers of 1024, in either case, as MySQL reads them.
const units = "KMGTPE"

// ParseBytes reads a number of bytes as an option file has it: 134217728, 128M, 1g.
func ParseBytes(value string) (uint64, error) {
	digits, shift := value, uint(0)
	if value != "" {
		last := value[len(value)-1:]
		if power := strings.Index(units, strings.ToUpper(last)); power >= 0 {
			digits, shift = value[:len(value)-1], uint(power+1)*10
		}
	}
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, fmt.Errorf("must be digits, then K, M, G, T, P or E if wanted")
	}
	number, _ := new(big.Int).SetString(digits, 10)
	number.Lsh(number, shift)
	if !number.IsUint64() {
		return 0, fmt.Errorf("must be less than 2^64")
	}
	return number.Uint64(), nil
}

// mustParse reads a release in the table; a test parses them all.
func mustParse(text string) release.Version {
	version, err := release.Parse(text)
	if err != nil {
		panic(fmt.Sprintf("table.go: %s: %v", text, err))
	}
	return version
}
