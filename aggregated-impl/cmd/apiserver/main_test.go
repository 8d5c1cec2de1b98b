package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestCommand(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"an unknown flag":  {[]string{"--nonsense"}, "unknown flag: --nonsense"},
		"an argument":      {[]string{"serve"}, `unknown command "serve"`},
		"a bad value":      {[]string{"--secure-port=many"}, `invalid argument "many" for "--secure-port" flag`},
		"no storage":       {nil, "--etcd-servers must be specified"},
		"a flag of no use": {[]string{"--cert-dir=/tmp"}, "unknown flag: --cert-dir"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := newCommand(t.Context())
			cmd.SetArgs(test.args)
			cmd.SilenceErrors = true
			err := cmd.Execute()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	cmd := newCommand(t.Context())
	cmd.SetArgs([]string{"--help"})
	cmd.SetOut(&out)
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Etcd flags:", "--etcd-prefix", "Authentication flags:", "--shutdown-delay-duration", "--goaway-chance"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help text has no %q", want)
		}
	}
}
