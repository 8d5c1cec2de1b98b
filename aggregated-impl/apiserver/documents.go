package apiserver

import (
	"net/http"
	"strings"
)

// withPresentDocument answers a request for an OpenAPI v3 document by a hash that is not the document's with the document.
//
// A client has the hash from the index of kube-apiserver, which may be that of a server before an upgrade, or that of a
// CustomResourceDefinition while both are registered. The library sends such a client to the present document, with 301.
// kube-apiserver passes no redirect on, and so `kubectl explain` would fail with "the backend attempted to redirect this
// request, which is not permitted".
func withPresentDocument(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !strings.HasPrefix(req.URL.Path, "/openapi/v3/") || !req.URL.Query().Has("hash") {
			next.ServeHTTP(w, req)
			return
		}
		answer := &unredirected{ResponseWriter: w}
		next.ServeHTTP(answer, req)
		if !answer.dropped {
			return
		}
		for _, header := range []string{"Location", "Vary"} { // Vary would be there twice.
			w.Header().Del(header)
		}
		// Without a hash the answer has no leave to be kept for a year.
		req = req.Clone(req.Context())
		query := req.URL.Query()
		query.Del("hash")
		req.URL.RawQuery = query.Encode()
		next.ServeHTTP(w, req)
	})
}

// unredirected drops an answer that is a redirect, and passes every other on.
type unredirected struct {
	http.ResponseWriter
	dropped bool
}

func (u *unredirected) WriteHeader(code int) {
	if u.dropped = code == http.StatusMovedPermanently; !u.dropped {
		u.ResponseWriter.WriteHeader(code)
	}
}

func (u *unredirected) Write(content []byte) (int, error) {
	if u.dropped {
		return len(content), nil
	}
	return u.ResponseWriter.Write(content)
}
