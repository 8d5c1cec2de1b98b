package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"
)

// location says which control plane on this machine a command is about.
type location struct {
	name string
	dir  string
}

const defaultName = "default"

func (l *location) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&l.name, "name", defaultName, "name of the control plane")
	flags.StringVar(&l.dir, "dir", "", `directory of the control plane (default "~/.local/state/duet/<name>")`)
}

// resolve checks the name, and fills in the directory: below $XDG_STATE_HOME, because what is kept there is neither
// configuration nor a cache.
func (l *location) resolve(cmd *cobra.Command) error {
	if len(validation.IsDNS1123Label(l.name)) > 0 {
		return usagef(cmd, "invalid --name %q: use up to 63 lower case letters, digits and '-', "+
			"beginning and ending with a letter or digit", l.name)
	}
	if l.dir == "" {
		state := os.Getenv("XDG_STATE_HOME")
		if !filepath.IsAbs(state) {
			home, err := os.UserHomeDir()
			if err != nil {
				return fmt.Errorf("could not find the home directory: %w; give a directory with --dir", err)
			}
			state = filepath.Join(home, ".local", "state")
		}
		l.dir = filepath.Join(state, "duet", l.name)
	}
	dir, err := filepath.Abs(l.dir)
	if err != nil {
		return fmt.Errorf("could not use --dir: %w", err)
	}
	l.dir = dir
	return nil
}

// flags are what to add to another duet command so that it is about the same control plane.
func (l *location) flags() string {
	home := &location{name: l.name}
	if home.resolve(nil) == nil && home.dir == l.dir {
		if l.name == defaultName {
			return ""
		}
		return " --name " + l.name
	}
	return " --dir " + quote(l.dir)
}

// quote makes a word safe to paste into a shell.
func quote(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\n'\"\\$`*?[]{}()<>|&;!#~") {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
