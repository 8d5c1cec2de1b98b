package behaviour

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/e2e/fixture"
)

var keyRows = []Row{
	{
		ID: "E1", Group: Storage, Title: "Where an object is stored, and as what",
		Why:    "Who reads the etcd, for a backup or in an emergency, has to know which one, and what to look for.",
		Source: "apiextensions NewCRDRESTOptionsGetter, apiserver SimpleStorageFactory: the prefix is the group and the plural",
		Flag:   Documented, Site: true,
		Expect: Expectation{
			CRD:        "/registry/mysql.example.com/mysqlinstances/<namespace>/db in JSON in the etcd of kube-apiserver",
			Aggregated: "/registry/mysql.example.com/mysqlinstances/<namespace>/db in JSON in the etcd of duet-apiserver",
		},
		Probe: whereStored,
	},
	{
		ID: "E5", Group: Storage, Title: "Encryption at rest",
		Why: "The official comparison names it as a reason for an aggregated API; custom resources have it since 1.26.",
		Source: "https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/; " +
			"an aggregated server has an --encryption-provider-config of its own",
		Flag: Outdated, Labels: []string{Slow, Disruptive}, Site: true,
		Expect: Both("encrypted with AES-CBC, not readable in etcd, version 8.4.3 through the API"),
		Probe:  encryptedAtRest,
	},
}

// etcdPatience is how long an etcd on this machine may take to answer; one that refuses the credentials never does.
const etcdPatience = 5 * time.Second

// etcd is a client of the etcd that a server stores in, with the server's own credentials.
func (v server) etcd() (*clientv3.Client, error) {
	return dialEtcd(v.flag("etcd-servers"), v.flag("etcd-cafile"), v.flag("etcd-certfile"), v.flag("etcd-keyfile"))
}

func dialEtcd(url, caFile, certFile, keyFile string) (*clientv3.Client, error) {
	settings, err := rest.TLSConfigFor(&rest.Config{
		TLSClientConfig: rest.TLSClientConfig{CAFile: caFile, CertFile: certFile, KeyFile: keyFile},
	})
	if err != nil {
		return nil, fmt.Errorf("could not read the credentials for etcd: %w", err)
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{url}, TLS: settings, Logger: zap.NewNop(), DialOptions: []grpc.DialOption{grpc.WithDisableRetry()},
	})
	if err != nil {
		return nil, fmt.Errorf("could not make a client of etcd: %w", err)
	}
	return client, nil
}

// key of an instance in its server's etcd; without a name, of what is before all of them.
func (s *Subject) key(v server, name string) string {
	return strings.Join([]string{v.flag("etcd-prefix"), fixture.Group, fixture.Resource, s.Namespace, name}, "/")
}

// raw is what a server's etcd holds below a prefix, by key.
func (s *Subject) raw(ctx context.Context, v server, prefix string) (map[string][]byte, error) {
	client, err := v.etcd()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	answer, err := client.Get(ctx, prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("could not read %s in the etcd of %s: %w", prefix, v.name(), err)
	}
	found := map[string][]byte{}
	for _, kv := range answer.Kvs {
		found[string(kv.Key)] = kv.Value
		s.recorder.Note(v.flag("etcd-servers")+string(kv.Key), string(kv.Value))
	}
	return found, nil
}

// encodings by how a stored value begins.
var encodings = []struct{ name, prefix string }{
	{"JSON", "{"}, {"protobuf", "k8s\x00"}, {"encrypted with AES-CBC", "k8s:enc:aescbc:v1:"},
}

// encoding of a stored value, in a word.
func encoding(value []byte) string {
	for _, known := range encodings {
		if bytes.HasPrefix(value, []byte(known.prefix)) {
			return known.name
		}
	}
	return fmt.Sprintf("something that begins with %.8q", value)
}

func whereStored(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	servers, err := s.servers(ctx)
	if err != nil {
		return Observation{}, err
	}
	storing := servers[len(servers)-1]
	// Every etcd that a server of the group has, once, is searched for anything that names the namespace.
	var found []string
	for _, v := range servers {
		if v.name() != storing.name() && v.flag("etcd-servers") == storing.flag("etcd-servers") {
			continue
		}
		keys, err := s.raw(ctx, v, v.flag("etcd-prefix")+"/"+fixture.Group)
		if err != nil {
			return Observation{}, err
		}
		for key, value := range keys {
			if strings.Contains(key, s.Namespace) {
				found = append(found, fmt.Sprintf("%s in %s in the etcd of %s",
					strings.Replace(key, s.Namespace, "<namespace>", 1), encoding(value), v.name()))
			}
		}
	}
	return observed("%s", strings.Join(found, ", "))
}

func encryptedAtRest(ctx context.Context, s *Subject) (Observation, error) {
	there, err := s.annex(ctx, production)
	if err != nil {
		return Observation{}, err
	}
	if _, err := there.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	storing, err := there.storing(ctx)
	if err != nil {
		return Observation{}, err
	}
	value, err := there.stored(ctx, storing)
	if err != nil {
		return Observation{}, err
	}
	readable := bytes.Contains(value, []byte("8.4.3"))
	read, err := there.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	return observed("%s, %s in etcd, version %v through the API",
		encoding(value), choose(readable, "readable", "not readable"), show(read, "spec", "version"))
}

// stored is the raw value of the instance db.
func (s *Subject) stored(ctx context.Context, v server) ([]byte, error) {
	key := s.key(v, "db")
	found, err := s.raw(ctx, v, key)
	if err != nil {
		return nil, err
	}
	if found[key] == nil {
		return nil, fmt.Errorf("could not find %s in the etcd of %s", key, v.name())
	}
	return found[key], nil
}

func mediaType(ctx context.Context, s *Subject) (Observation, error) {
	asked, err := s.annex(ctx, apart)
	if err != nil {
		return Observation{}, err
	}
	var seen []string
	for _, subject := range []*Subject{s, asked} {
		if _, err := subject.create(ctx, fixture.Instance("db")); err != nil {
			return Observation{}, err
		}
		storing, err := subject.storing(ctx)
		if err != nil {
			return Observation{}, err
		}
		value, err := subject.stored(ctx, storing)
		if err != nil {
			return Observation{}, err
		}
		seen = append(seen, encoding(value))
	}
	return observed("by default %s, asked for protobuf by --storage-media-type: %s", seen[0], seen[1])
}
