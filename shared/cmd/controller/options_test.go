package main

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/duet-api/duet/shared/controller/config"
)

func TestFlags(t *testing.T) {
	tests := map[string]struct {
		args    []string
		wantErr []string
	}{
		"defaults": {},
		"as a local process": {
			args: config.LocalProcess("/bin/duet-controller", "/kubeconfig", "127.0.0.1:0", "0", true).Args,
		},
		"every kind of flag": {
			args: []string{
				"--leader-elect=false", "--workers=2", "--kube-api-qps=50", "--kube-api-burst=10",
				"--image-repository=mine/mysql", "--connect-to-servers=false", "-v=2",
			},
		},
		"an unknown flag":      {args: []string{"--impl=crd"}, wantErr: []string{"unknown flag: --impl"}},
		"an argument":          {args: []string{"start"}, wantErr: []string{`unknown command "start"`}},
		"a value of no number": {args: []string{"--workers=many"}, wantErr: []string{"--workers"}},
		"everything at once": {
			args:    []string{"--workers=0", "--image-repository=", "--kube-api-qps=0"},
			wantErr: []string{"--workers", "--image-repository", "--kube-api-qps"},
		},
		"no burst with a limit": {
			args: []string{"--kube-api-qps=5", "--kube-api-burst=0"}, wantErr: []string{"--kube-api-burst"},
		},
		"no namespace to lead in": {
			args: []string{"--leader-election-namespace="}, wantErr: []string{"--leader-election-namespace"},
		},
		"a lease nobody can hold": {
			args: []string{"--leader-election-lease-duration=1s"}, wantErr: []string{"--leader-election-lease-duration"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ran := false
			command := newCommand(func(context.Context, *options) error { ran = true; return nil })
			command.SetArgs(test.args)
			command.SetOut(io.Discard)
			command.SetErr(io.Discard)
			err := command.ExecuteContext(t.Context())
			if ran == (len(test.wantErr) > 0) {
				t.Errorf("ran: %v, error: %v", ran, err)
			}
			for _, want := range test.wantErr {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got error %v, want it to name %s", err, want)
				}
			}
		})
	}
}

// TestFlagsAreDocumented: a flag that nobody can read about is not there.
func TestFlagsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/controller.md")
	if err != nil {
		t.Fatal(err)
	}
	newCommand(nil).Flags().VisitAll(func(f *pflag.Flag) {
		name := "--" + f.Name
		if len(f.Name) == 1 {
			name = "-" + f.Name
		}
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("%s is not in docs/controller.md", name)
		}
	})
}
