package trace

import (
	"slices"
	"strings"

	"github.com/duet-api/duet/e2e/otlp"
)

// Part is a part of the work for a request.
type Part string

// The parts, in the order in which a request meets them.
const (
	Connection   Part = "client"
	FrontChain   Part = "front-chain"
	Hop          Part = "hop"
	SecondChain  Part = "second-chain"
	Review       Part = "review"
	Decode       Part = "decode"
	Webhook      Part = "webhook"
	Validate     Part = "validate"
	Store        Part = "store"
	StorageHop   Part = "storage-hop"
	StorageWork  Part = "storage"
	Encode       Part = "encode"
	Unattributed Part = "unattributed"
)

// Description says what belongs to a part.
type Description struct {
	Part Part `json:"part"`
	// Title names it for a reader, Detail says what it is made of and how that is known.
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

// Descriptions of all parts, in the order in which a request meets them.
func Descriptions() []Description {
	return []Description{
		{Connection, "Client and connection", "from the client's start to the first server's, and back: TLS and HTTP/2"},
		{FrontChain, "kube-apiserver's filters", "authentication, audit, priority and fairness, authorization"},
		{Hop, "Proxy hop", "from kube-apiserver's request to the aggregated server's start, and back"},
		{SecondChain, "Aggregated server's filters", "the same filters once more; of servers that report no calls of their own, as sample-apiserver and crd-hop, with what they ask kube-apiserver"},
		{Review, "SubjectAccessReview", "the question whether the user may, with its way to kube-apiserver and back"},
		{Decode, "Decode", "reading a body, decoding, defaulting and converting; decoding what etcd returned"},
		{Webhook, "Webhooks", "calls of webhooks, with the way there and back"},
		{Validate, "Admit and validate", "admission, the strategy, validation by schema, CEL or code; applying a patch"},
		{Store, "Storage layer", "watch cache, keys and transactions inside the API server; of those servers with the way to etcd"},
		{StorageHop, "Way to etcd", "gRPC from the API server to etcd and back"},
		{StorageWork, "etcd", "what etcd does, a durable write included"},
		{Encode, "Encode and send", "encoding for etcd and for the answer, and writing the answer"},
		{Unattributed, "Unattributed", "no span or event says what it is"},
	}
}

// rule puts pieces into a part.
type rule struct {
	// component and kind of the span; empty means any.
	component string
	kind      otlp.Kind
	// name of the span begins so.
	name string
	// after are the marks that a piece may begin with; nil means any, and "" the begin of the span.
	after []string
	part  Part
}

// filters are the spans of k8s.io/apiserver/pkg/endpoints/filterlatency: each has the rest of the chain inside.
var filters = []string{
	"authentication", "audit", "constrainedimpersonation", "impersonation", "priorityandfairness", "authorization",
}

// Marks in the spans of k8s.io/apiserver's handlers and of its storage.
const (
	began         = ""
	bodyRead      = "limitedReadBody succeeded"
	audited       = "Recorded the audit event"
	converting    = "About to convert to expected version"
	stored        = "Write to database call succeeded"
	patchStored   = "Object stored in database"
	answering     = "About to write a response"
	answered      = "Writing http response done"
	reading       = "About to Get from storage"
	encoding      = "About to Encode"
	encoded       = "Encode succeeded"
	transformed   = "TransformToStorage succeeded"
	prepared      = "Transaction prepared"
	committed     = "Txn call succeeded"
	updated       = "Txn call completed"
	settled       = "Transaction committed"
	decoded       = "decode succeeded"
	serialized    = "SerializeObject"
	rangeCall     = "etcdserverpb.KV/Range"
	transaction   = "etcdserverpb.KV/Txn"
	etcdCalls     = "etcdserverpb."
	createStorage = "Create etcd3"
	updateStorage = "GuaranteedUpdate etcd3"
)

// rules in the order in which they are tried.
var rules = []rule{
	{component: ClientComponent, part: Connection},
	{component: Storage, part: StorageWork},
	{kind: otlp.Client, name: etcdCalls, part: StorageHop},
	{kind: otlp.Client, component: FrontServer, name: "HTTP", part: Hop},
	{kind: otlp.Client, component: OwnServer, name: "HTTP", part: Validate}, // a look-up of admission
	{name: serialized, part: Encode},
	{name: "cacher.Get", after: []string{rangeCall}, part: Decode},
	{name: "cacher.", part: Store},
	{name: "List(", after: []string{rangeCall}, part: Decode},
	{name: "List(", part: Store},

	{name: createStorage, after: []string{encoding, encoded}, part: Encode},
	{name: createStorage, after: []string{committed}, part: Decode},
	{name: createStorage, part: Store},
	{name: updateStorage, after: []string{encoding, encoded}, part: Encode},
	{name: updateStorage, after: []string{updated, settled}, part: Decode},
	{name: updateStorage, after: []string{began, transformed, prepared, transaction, decoded}, part: Store},
	{name: updateStorage, part: Validate},

	{name: "Create", after: []string{began, bodyRead, converting}, part: Decode},
	{name: "Update", after: []string{began, bodyRead, converting}, part: Decode},
	{name: "Patch", after: []string{began, bodyRead, audited}, part: Decode},
	{name: "Create", after: []string{stored, answering, serialized, answered}, part: Encode},
	{name: "Update", after: []string{stored, answering, serialized, answered}, part: Encode},
	{name: "Patch", after: []string{patchStored, answering, serialized, answered}, part: Encode},
	{name: "Create", after: []string{createStorage}, part: Unattributed},
	{name: "Update", after: []string{updateStorage}, part: Unattributed},
	{name: "Patch", after: []string{updateStorage}, part: Unattributed},
	{name: "Create", part: Validate},
	{name: "Update", part: Validate},
	{name: "Get", after: []string{began, reading}, part: Store},
	{name: "Get", after: []string{answering, serialized, answered}, part: Encode},
	{name: "List", after: []string{began}, part: Store},
	{name: "List", after: []string{serialized}, part: Encode},
}

// calls is whether a span is the call of a webhook, which may report nothing.
func calls(name string) bool {
	return strings.HasPrefix(name, "Call ") && strings.HasSuffix(name, " webhook")
}

// part of the work that a piece of time went into.
func (p piece) part() Part {
	path := append(slices.Clone(p.owner.above), p.owner.node)
	for i, n := range path {
		switch {
		case calls(n.Name):
			return Webhook
		case i > 0 && n.Kind == otlp.Client && n.Component == OwnServer && path[i-1].Name == "authorization":
			return Review
		}
	}
	if p.owner.Kind == otlp.Server || slices.Contains(filters, p.owner.Name) {
		switch p.owner.Component {
		case FrontServer:
			return FrontChain
		case OwnServer:
			return SecondChain
		}
	}
	for _, r := range rules {
		if (r.component == "" || r.component == p.owner.Component) && (r.kind == "" || r.kind == p.owner.Kind) &&
			strings.HasPrefix(p.owner.Name, r.name) && (r.after == nil || slices.Contains(r.after, p.after)) {
			return r.part
		}
	}
	return Unattributed
}
