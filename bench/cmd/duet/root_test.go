package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

func TestWrongCommandLines(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	for name, tc := range map[string]struct {
		args     []string
		wantCode int
		want     string
	}{
		"unknown command":              {[]string{"dwn"}, exitUsage, `unknown command "dwn" for "duet"; did you mean "down"?`},
		"nothing like it":              {[]string{"frobnicate"}, exitUsage, `unknown command "frobnicate" for "duet"`},
		"unknown subcommand":           {[]string{"components", "paus", "etcd"}, exitUsage, `did you mean "pause"?`},
		"unknown flag":                 {[]string{"up", "--fast"}, exitUsage, "unknown flag: --fast"},
		"value missing":                {[]string{"up", "--name"}, exitUsage, "flag needs an argument: --name"},
		"unexpected argument":          {[]string{"down", "everything"}, exitUsage, `unexpected argument "everything"`},
		"argument missing":             {[]string{"components", "kill"}, exitUsage, "NAME is missing"},
		"bad name":                     {[]string{"up", "--name", "Not/A/Name"}, exitUsage, `invalid --name "Not/A/Name"`},
		"nodes alone":                  {[]string{"up", "--nodes", "2"}, exitUsage, "give --kwok too"},
		"no nodes":                     {[]string{"up", "--kwok", "--nodes", "0"}, exitUsage, "invalid --nodes 0"},
		"no kube-apiservers":           {[]string{"up", "--apiservers", "0"}, exitUsage, "invalid --apiservers 0"},
		"kwok off":                     {[]string{"up", "--kwok=false"}, exitUsage, "--kwok cannot be turned off"},
		"bad output":                   {[]string{"components", "-o", "xml"}, exitUsage, "must be one of table, json, yaml"},
		"bad tail":                     {[]string{"components", "logs", "etcd", "--tail", "-1"}, exitUsage, "must not be negative"},
		"kubectl value missing":        {[]string{"kubectl", "--name"}, exitUsage, "flag needs an argument: --name"},
		"kubectl, bad name":            {[]string{"kubectl", "--name=A", "get", "ns"}, exitUsage, `invalid --name "A"`},
		"kubectl, never up":            {[]string{"kubectl", "get", "ns"}, exitFailure, "start it with duet up"},
		"components, never up":         {[]string{"components", "--name", "x"}, exitFailure, `control plane "x" is not up: start it with duet up --name x`},
		"matrix, no such row":          {[]string{"matrix", "--row", "Z9"}, exitUsage, `there is no row "Z9"`},
		"matrix, no such group":        {[]string{"matrix", "--group", "gardening"}, exitUsage, "the groups are API machinery"},
		"matrix, bad filter":           {[]string{"matrix", "--label", "slow &&"}, exitUsage, "could not read the label filter"},
		"matrix, context alone":        {[]string{"matrix", "--context", "x"}, exitUsage, "give it with --kubeconfig"},
		"matrix, two places":           {[]string{"matrix", "--installed", "--kubeconfig", "x"}, exitUsage, "choose one"},
		"matrix, form elsewhere":       {[]string{"matrix", "--installed", "--form", "crd"}, exitUsage, "leave them out"},
		"matrix, list as JUnit":        {[]string{"matrix", "--list", "-o", "junit"}, exitUsage, "not as junit"},
		"matrix, no kubeconfig":        {[]string{"matrix", "--kubeconfig", "/nowhere"}, exitFailure, "could not use the kubeconfig /nowhere"},
		"report, no run":               {[]string{"report", "/nowhere"}, exitFailure, "could not read the run"},
		"gate, no run":                 {[]string{"bench", "gate"}, exitUsage, "RUN is missing"},
		"bench, context alone":         {[]string{"bench", "--context", "x"}, exitUsage, "give its --kubeconfig"},
		"bench, keep elsewhere":        {[]string{"bench", "--kubeconfig", "x", "--keep"}, exitUsage, "leave them out"},
		"bench, trace elsewhere":       {[]string{"bench", "--kubeconfig", "x", "--traces"}, exitUsage, "leave them out"},
		"bench, no kubeconfig":         {[]string{"bench", "--kubeconfig", "/nowhere"}, exitFailure, "could not use the kubeconfig /nowhere"},
		"bench, no such arm":           {[]string{"bench", "--arm", "leg"}, exitUsage, `unknown arm "leg"`},
		"bench, nothing to go on with": {[]string{"bench", "--resume", "/nowhere"}, exitFailure, "could not read the run"},
		"compare runs, one":            {[]string{"bench", "compare", "x"}, exitUsage, "NEW is missing"},
		"switch, to nothing":           {[]string{"switch"}, exitUsage, "--to is missing"},
		"switch, no such form":         {[]string{"switch", "--to", "grpc"}, exitUsage, "use one of crd, aggregated"},
		"switch, no such way":          {[]string{"switch", "--to", "crd", "--strategy", "fast"}, exitUsage, "shared dedicated api"},
		"switch, no such step":         {[]string{"switch", "--to", "crd", "--until", "lunch"}, exitUsage, "preflight fence"},
		"switch, back to one":          {[]string{"switch", "--rollback", "--to", "crd"}, exitUsage, "leave --to out"},
		"switch, never up":             {[]string{"switch", "--to", "crd"}, exitFailure, "start it with duet up"},
		"supervise, nothing":           {[]string{"supervise"}, exitUsage, "--dir is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := parse(tc.args...)
			if code != tc.wantCode {
				t.Errorf("got exit code %d, want %d", code, tc.wantCode)
			}
			if !strings.HasPrefix(stderr, "error: ") || !strings.Contains(stderr, tc.want) {
				t.Errorf("got %q, want an error with %q", stderr, tc.want)
			}
			if lines, hint := strings.Count(stderr, "\n"), strings.Contains(stderr, "--help' for usage.\n"); (lines == 2) != hint || lines > 2 {
				t.Errorf("got %q, want one line, and a hint after a wrong command line", stderr)
			}
			if (code == exitUsage) != strings.Contains(stderr, "--help' for usage.") {
				t.Errorf("got %q with exit code %d", stderr, code)
			}
			if stdout != "" {
				t.Errorf("an error printed %q to standard output", stdout)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"help"}} {
		code, stdout, stderr := parse(args...)
		if code != 0 || stderr != "" || !strings.Contains(stdout, "duet up") || strings.Contains(stdout, "supervise") {
			t.Errorf("%q: got exit code %d, %q, %q", args, code, stdout, stderr)
		}
	}
	// Each command teaches by example.
	root := newRootCommand(testStreams())
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		if !cmd.Hidden && !strings.Contains(cmd.Example, cmd.CommandPath()) && cmd != root {
			t.Errorf("the help of %q has no example of it", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(root)
}

func TestSplitKubectl(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	defaultDir, otherDir := filepath.Join(state, "duet", "default"), filepath.Join(state, "duet", "other")
	for name, tc := range map[string]struct {
		args     []string
		wantDir  string
		wantRest []string
	}{
		"nothing of duet's":      {[]string{"get", "pods", "-o", "wide"}, defaultDir, []string{"get", "pods", "-o", "wide"}},
		"separated":              {[]string{"--", "get", "pods"}, defaultDir, []string{"get", "pods"}},
		"name":                   {[]string{"--name", "other", "get", "pods"}, otherDir, []string{"get", "pods"}},
		"name=, separated":       {[]string{"--name=other", "--", "get", "pods"}, otherDir, []string{"get", "pods"}},
		"dir":                    {[]string{"--dir", "/d", "get"}, "/d", []string{"get"}},
		"kubectl's own --":       {[]string{"exec", "p", "--", "ls"}, defaultDir, []string{"exec", "p", "--", "ls"}},
		"kubectl's own flags":    {[]string{"-n", "x", "get", "--name", "y"}, defaultDir, []string{"-n", "x", "get", "--name", "y"}},
		"kubectl's own help":     {[]string{"--help"}, defaultDir, []string{"--help"}},
		"nothing":                {nil, defaultDir, nil},
		"only the second of two": {[]string{"--", "exec", "p", "--", "ls"}, defaultDir, []string{"exec", "p", "--", "ls"}},
	} {
		t.Run(name, func(t *testing.T) {
			where, rest, err := splitKubectl(newKubectlCommand(testStreams()), tc.args)
			if err != nil {
				t.Fatal(err)
			}
			if where.dir != tc.wantDir {
				t.Errorf("got directory %s, want %s", where.dir, tc.wantDir)
			}
			if diff := cmp.Diff(append([]string{}, tc.wantRest...), append([]string{}, rest...)); diff != "" {
				t.Errorf("unexpected arguments for kubectl (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLocation(t *testing.T) {
	t.Setenv("HOME", "/home/user")
	for name, tc := range map[string]struct {
		state     string
		where     location
		wantDir   string
		wantFlags string
	}{
		"default":         {"", location{name: "default"}, "/home/user/.local/state/duet/default", ""},
		"named":           {"", location{name: "x"}, "/home/user/.local/state/duet/x", " --name x"},
		"XDG":             {"/state", location{name: "x"}, "/state/duet/x", " --name x"},
		"XDG, relative":   {"state", location{name: "x"}, "/home/user/.local/state/duet/x", " --name x"},
		"directory":       {"", location{name: "default", dir: "/d"}, "/d", " --dir /d"},
		"quoted":          {"", location{name: "x", dir: "/it's here"}, "/it's here", ` --dir '/it'\''s here'`},
		"usual directory": {"", location{name: "x", dir: "/home/user/.local/state/duet/x/"}, "/home/user/.local/state/duet/x", " --name x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("XDG_STATE_HOME", tc.state)
			where := tc.where
			if err := where.resolve(newUpCommand(testStreams())); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tc.wantDir, tc.wantFlags}, []string{where.dir, where.flags()}); diff != "" {
				t.Errorf("unexpected directory and flags (-want +got):\n%s", diff)
			}
		})
	}
}
