package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/shared/certs"
)

func valid() *options {
	o := newOptions()
	o.certFile, o.keyFile = "tls.crt", "tls.key"
	return o
}

func TestValidate(t *testing.T) {
	tests := map[string]struct {
		change func(*options)
		want   []string // one part of each error
	}{
		"as started by an installation": {change: func(*options) {}},
		"every address":                 {change: func(o *options) { o.bindAddress = "0.0.0.0" }},
		"IPv6":                          {change: func(o *options) { o.bindAddress, o.metricsAddress = "::", "[::1]:8080" }},
		"metrics on this host":          {change: func(o *options) { o.metricsAddress = "127.0.0.1:0" }},
		"a host name":                   {change: func(o *options) { o.bindAddress = "localhost" }, want: []string{`--bind-address "localhost"`}},
		"no port":                       {change: func(o *options) { o.securePort = 0 }, want: []string{"--secure-port 0"}},
		"a port too high":               {change: func(o *options) { o.securePort = 65536 }, want: []string{"--secure-port 65536"}},
		"metrics for everybody":         {change: func(o *options) { o.metricsAddress = "0.0.0.0:8080" }, want: []string{"stay on this host"}},
		"metrics without a port":        {change: func(o *options) { o.metricsAddress = "127.0.0.1" }, want: []string{"--metrics-bind-address"}},
		"metrics on a named port":       {change: func(o *options) { o.metricsAddress = "127.0.0.1:http" }, want: []string{"--metrics-bind-address"}},
		"everything at once": {
			change: func(o *options) { *o = options{bindAddress: "x", metricsAddress: "x"} },
			want: []string{"--bind-address", "--secure-port", "--tls-cert-file is required",
				"--tls-private-key-file is required", "--metrics-bind-address"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := valid()
			test.change(o)
			err := o.validate()
			if len(test.want) == 0 {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error is %q, want one with %q", err, want)
				}
			}
		})
	}
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	ca, err := certs.NewCA("clients")
	if err != nil {
		t.Fatal(err)
	}
	bundle, garbage := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "garbage.crt")
	for file, data := range map[string][]byte{bundle: ca.Bundle(), garbage: []byte("garbage")} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found := func(string) (*rest.Config, error) { return &rest.Config{Host: "https://127.0.0.1:1"}, nil }
	missing := func(string) (*rest.Config, error) { return nil, rest.ErrNotInCluster }
	tests := map[string]struct {
		clientCA     string
		clientConfig func(string) (*rest.Config, error)
		want         string // a part of the error; empty means none
	}{
		"no client CA":                {clientConfig: found},
		"a client CA":                 {clientCA: bundle, clientConfig: found},
		"a missing client CA":         {clientCA: filepath.Join(dir, "none"), clientConfig: found, want: "could not read --client-ca-file"},
		"a client CA that is none":    {clientCA: garbage, clientConfig: found, want: "could not read --client-ca-file"},
		"no access to the API server": {clientConfig: missing, want: "set --kubeconfig"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := valid()
			o.clientCAFile = test.clientCA
			config, err := o.config(test.clientConfig)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error is %v, want one with %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, want := config.ClientCA != nil, test.clientCA != ""; got != want {
				t.Errorf("the server has a client CA: %t, want %t", got, want)
			}
			if config.Lookups.Secrets == nil || config.Lookups.StorageClasses == nil {
				t.Error("the server cannot look anything up")
			}
		})
	}
}

func TestCommandLine(t *testing.T) {
	tests := map[string]struct {
		args []string
		want string
	}{
		"no flags":           {nil, "--tls-cert-file is required"},
		"an unknown flag":    {[]string{"--port=1"}, "unknown flag: --port"},
		"an argument":        {[]string{"serve"}, "unknown command"},
		"a port in words":    {[]string{"--secure-port=https"}, "invalid argument"},
		"no such kubeconfig": {[]string{"--tls-cert-file=c", "--tls-private-key-file=k", "--kubeconfig=/none"}, "set --kubeconfig"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cmd := newCommand()
			var out bytes.Buffer
			cmd.SetArgs(test.args)
			cmd.SetOut(&out)
			cmd.SetErr(&out)
			cmd.SilenceErrors = true
			err := cmd.ExecuteContext(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
			if out.Len() > 0 {
				t.Errorf("an error in the flags printed %q beside itself", out.String())
			}
		})
	}
}

func TestHelpNamesEveryEndpointAndFlag(t *testing.T) {
	cmd := newCommand()
	var out bytes.Buffer
	cmd.SetArgs([]string{"--help"})
	cmd.SetOut(&out)
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/convert", "/default", "/validate", "--bind-address", "--secure-port", "--tls-cert-file",
		"--tls-private-key-file", "--client-ca-file", "--kubeconfig", "--metrics-bind-address", "--v"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("help does not name %s", want)
		}
	}
}
