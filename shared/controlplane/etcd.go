package controlplane

// EtcdConfig is one etcd of one member, on this machine only, durable, with TLS both ways. The control plane has one,
// and a form may have one for itself: it is run in the same way, so that the two can be compared.
type EtcdConfig struct {
	// DataDir holds the write-ahead log and the database.
	DataDir string
	// Port on 127.0.0.1 for clients.
	Port int
	// CAFile is the authority whose client certificates are let in. CertFile and KeyFile are the server's own.
	CAFile, CertFile, KeyFile string
}

// URL for clients.
func (c EtcdConfig) URL() string { return loopbackURL(c.Port) }

// Args are the arguments of the etcd program.
func (c EtcdConfig) Args() []string {
	url := c.URL()
	// There is one member, and it never speaks to itself, so this address is only a name in the cluster's records.
	const peer = "https://127.0.0.1:2380"
	return []string{
		"--name=duet",
		"--data-dir=" + c.DataDir,
		"--listen-client-urls=" + url,
		"--advertise-client-urls=" + url,
		"--client-cert-auth=true",
		"--trusted-ca-file=" + c.CAFile,
		"--cert-file=" + c.CertFile,
		"--key-file=" + c.KeyFile,
		"--listen-peer-urls=https://127.0.0.1:0",
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=duet=" + peer,
		"--peer-client-cert-auth=true",
		"--peer-trusted-ca-file=" + c.CAFile,
		"--peer-cert-file=" + c.CertFile,
		"--peer-key-file=" + c.KeyFile,
		// The gateway would connect to this etcd with the server's certificate, which is no client certificate.
		"--enable-grpc-gateway=false",
		"--feature-gates=InitialCorruptCheck=true",
		"--watch-progress-notify-interval=5s",
		// Room for benchmarks. The default of 2 GB ends in an alarm that only a compaction by hand clears.
		"--quota-backend-bytes=8589934592",
		"--log-level=warn",
	}
}
