package controller

import (
	"context"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/duet-api/duet/shared/api/mysql/sysvar"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/database"
)

// annotationLiveSettings on a pod names the variables that its server got from the spec while it ran or when it
// started, separated by commas. One that is in the list and no longer wanted goes back to the server's own default.
const annotationLiveSettings = v1.GroupName + "/live-settings"

// shown is what a server makes of a value: it rounds numbers, and completes lists. A value that was set once and is
// shown in another form since is not set again and again.
type shown struct{ wanted, got string }

// startedWith are the variables of the spec that a server took from its option file when it started, of those that can
// be set while it runs: the spec may have lost some of them since.
func startedWith(ctx context.Context, server database.Server) ([]string, error) {
	names, err := server.FromFile(ctx, path.Join(path.Base(optionDirectory), optionFile))
	return slices.DeleteFunc(names, func(name string) bool {
		variable, known := sysvar.Lookup(name)
		return !known || variable.Static || variable.Owned != ""
	}), err
}

// applyLive makes a running server use the wanted settings, and returns the names that are to be remembered and what
// could not be set, as "name: why". before are the names remembered so far, memory is what the server showed earlier.
func applyLive(
	ctx context.Context, server database.Server, wanted []setting, before []string, memory map[string]shown,
) (remembered []string, refused []string, err error) {
	names := make([]string, 0, len(wanted))
	for _, s := range wanted {
		names = append(names, s.Name)
	}
	values, err := server.Variables(ctx, names...)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range wanted {
		got, exists := values[s.Name]
		switch {
		case !exists:
			refused = append(refused, fmt.Sprintf("%s: %s has no such variable", s.Name, server.Flavor()))
			continue
		case sameValue(s.Name, s.Value, got), memory[s.Name] == shown{s.Value, got}:
			continue
		}
		if err := server.SetVariable(ctx, s.Name, sqlValue(s.Name, s.Value)); err != nil {
			refused = append(refused, fmt.Sprintf("%s: %v", s.Name, err))
			continue
		}
		after, err := server.Variables(ctx, s.Name)
		if err != nil {
			return nil, refused, err
		}
		memory[s.Name] = shown{s.Value, after[s.Name]}
	}
	remembered = names
	for _, name := range before {
		if name == "" || slices.Contains(names, name) {
			continue
		}
		if err := server.SetVariable(ctx, name, nil); err != nil && !database.IsUnknownVariable(err) {
			refused = append(refused, fmt.Sprintf("%s: %v", name, err))
			remembered = append(remembered, name)
		}
		delete(memory, name)
	}
	slices.Sort(remembered)
	return remembered, refused, nil
}

// sqlValue is a value of an option file as SET takes it: there, units and other spellings are not known.
func sqlValue(name, value string) any {
	variable, _ := sysvar.Lookup(name)
	switch variable.Kind {
	case sysvar.Integer, sysvar.Bytes:
		if number, err := sysvar.ParseBytes(value); err == nil {
			return number
		}
	case sysvar.Float:
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			return number
		}
	case sysvar.Boolean:
		if isOn(value) {
			return int64(1)
		}
		return int64(0)
	case sysvar.Enum:
		if number, err := strconv.ParseUint(value, 10, 64); err == nil {
			return number
		}
	}
	return value
}

// sameValue compares a value of an option file with what a server shows.
func sameValue(name, wanted, got string) bool {
	if wanted == got {
		return true
	}
	variable, _ := sysvar.Lookup(name)
	switch variable.Kind {
	case sysvar.Integer, sysvar.Bytes:
		a, errA := sysvar.ParseBytes(wanted)
		b, errB := sysvar.ParseBytes(got)
		return errA == nil && errB == nil && a == b
	case sysvar.Float:
		a, errA := strconv.ParseFloat(wanted, 64)
		b, errB := strconv.ParseFloat(got, 64)
		return errA == nil && errB == nil && math.Abs(a-b) < 1e-6
	case sysvar.Boolean:
		return isOn(wanted) == isOn(got)
	case sysvar.Enum:
		return strings.EqualFold(wanted, got)
	case sysvar.Set:
		return slices.Equal(members(wanted), members(got))
	}
	return false
}

func isOn(value string) bool {
	return slices.Contains([]string{"ON", "1", "TRUE"}, strings.ToUpper(value))
}

// members of a list, whatever their order and case.
func members(list string) []string {
	items := strings.Split(strings.ToUpper(strings.ReplaceAll(list, " ", "")), ",")
	slices.Sort(items)
	return slices.Compact(items)
}
