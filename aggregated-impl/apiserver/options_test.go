package apiserver

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	genericapiserver "k8s.io/apiserver/pkg/server"

	"github.com/duet-api/duet/shared/api/mysql"
)

func parse(t *testing.T, args ...string) *Options {
	t.Helper()
	options := NewOptions()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	for _, group := range options.Flags().FlagSets {
		flags.AddFlagSet(group)
	}
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return options
}

func TestValidate(t *testing.T) {
	good := []string{"--etcd-servers=https://127.0.0.1:2379", "--tls-cert-file=a.crt", "--tls-private-key-file=a.key"}
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"what an installation gives": {args: good},
		"nothing": {
			want: []string{"--etcd-servers must be specified", "--tls-cert-file and --tls-private-key-file"}},
		"a certificate without its key": {args: []string{"--etcd-servers=x", "--tls-cert-file=a.crt"},
			want: []string{"--tls-cert-file and --tls-private-key-file"}},
		"several mistakes, all told": {
			args: append(slices.Clone(good), "--secure-port=70000", "--storage-media-type=text/plain",
				"--enable-admission-plugins=Nonsense", "--request-timeout=-1s", "--goaway-chance=2"),
			want: []string{"--secure-port", "--storage-media-type", "Nonsense", "--request-timeout", "--goaway-chance"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			errs := parse(t, test.args...).Validate()
			if len(errs) != len(test.want) {
				t.Errorf("got %d errors, want %d: %v", len(errs), len(test.want), errs)
			}
			for _, want := range test.want {
				if err := utilerrors.NewAggregate(errs); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("no error says %q: %v", want, errs)
				}
			}
		})
	}
}

func TestDefaultsAreTheCustomResourceDefinitions(t *testing.T) {
	options := NewOptions()
	scheme, err := newServingScheme()
	if err != nil {
		t.Fatal(err)
	}
	config := genericapiserver.NewRecommendedConfig(serializer.NewCodecFactory(scheme))
	factory := options.storageFactory(config, scheme, serializer.NewCodecFactory(scheme))
	stored := mysql.Resource("mysqlinstances")
	if got, want := factory.ResourcePrefix(stored), "mysql.example.com/mysqlinstances"; got != want {
		t.Errorf("objects are stored below %s, want %s", got, want)
	}
	settings, err := factory.NewConfig(stored, &mysql.MySQLInstance{})
	if err != nil {
		t.Fatal(err)
	}
	if settings.Prefix != "/registry" {
		t.Errorf("prefix %s, want /registry", settings.Prefix)
	}
	var encoded strings.Builder
	if err := settings.Codec.Encode(&mysql.MySQLInstance{}, &encoded); err != nil {
		t.Fatal(err)
	}
	const want = `{"kind":"MySQLInstance","apiVersion":"mysql.example.com/v1",`
	if got := encoded.String(); !strings.HasPrefix(got, want) {
		t.Errorf("stored as %s, want JSON of v1", got)
	}
}
