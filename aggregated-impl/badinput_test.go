package aggregatedimpl_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
)

var _ = Describe("Bad input, sent to the server's own port", func() {
	const mediaJSON, mediaProtobuf = "application/json", "application/vnd.kubernetes.protobuf"
	valid := func(annotation string) string {
		GinkgoHelper()
		instance := newInstance("db")
		instance.Annotations = map[string]string{"bulk": annotation}
		body, err := json.Marshal(instance)
		Expect(err).NotTo(HaveOccurred())
		return string(body)
	}
	replaced := func(old, new string) string {
		GinkgoHelper()
		body := valid("")
		Expect(body).To(ContainSubstring(old))
		return strings.Replace(body, old, new, 1)
	}
	compressed := func() string {
		var buffer bytes.Buffer
		writer := gzip.NewWriter(&buffer)
		_, err := writer.Write([]byte(`{"spec":{"version":"`))
		Expect(err).NotTo(HaveOccurred())
		Expect(writer.Close()).To(Succeed())
		return buffer.String()
	}

	It("is refused with a clear error, and the server neither panics nor loses anything", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		kept := create(ctx, namespace, newInstance("kept"))
		in := "/apis/mysql.example.com/v1/namespaces/" + namespace + "/mysqlinstances"
		editor := identified(authority(controlplane.ClientCA), "badinput-editor")
		_, err := cluster.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{Name: "badinput-editor"},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{install.Group}, Resources: []string{"*"}, Verbs: []string{"*"}}},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx context.Context) {
			Expect(cluster.RbacV1().ClusterRoles().Delete(ctx, "badinput-editor", metav1.DeleteOptions{})).To(Succeed())
		})
		_, err = cluster.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "badinput-editor"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "badinput-editor"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: "badinput-editor"}},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx context.Context) {
			Expect(cluster.RbacV1().ClusterRoleBindings().Delete(ctx, "badinput-editor", metav1.DeleteOptions{})).To(Succeed())
		})
		Eventually(func() int { status, _ := editor.get(ctx, in); return status }).Should(Equal(http.StatusOK))

		for _, row := range []struct {
			title, media, body string
			want               int
			says               string
		}{
			{"nothing", mediaJSON, "", 400, "unrecognized"},
			{"half an object", mediaJSON, `{"kind":"MySQLInstance","apiVersion":"mysql.example.com/v1",`, 400, ""},
			{"another kind", mediaJSON, `{"kind":"Pod","apiVersion":"v1"}`, 400, "cannot be handled"},
			{"a list", mediaJSON, `[]`, 400, ""},
			{"a string for a number", mediaJSON, replaced(`"version":"8.4.3"`, `"version":"8.4.3","replicas":"three"`),
				400, "replicas"},
			{"a number that is too large", mediaJSON, replaced(`"version":"8.4.3"`, `"version":"8.4.3","replicas":99999999999`),
				400, "replicas"},
			{"a size that is no quantity", mediaJSON, replaced(`"size":"10Gi"`, `"size":"plenty"`),
				400, "quantities"},
			{"invalid UTF-8 in a label", mediaJSON, replaced(`"annotations"`, "\"labels\":{\"a\":\"\xff\xfe\"},\"annotations\""),
				422, "metadata.labels"},
			{"invalid UTF-8 in the name", mediaJSON, replaced(`"name":"db"`, "\"name\":\"d\xc3\x28b\""),
				422, "metadata.name"},
			{"deep nesting", mediaJSON, strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000),
				400, "exceeded max depth"},
			{"deep nesting of lists", mediaJSON, strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
				400, "exceeded max depth"},
			{"2 MiB", mediaJSON, valid(strings.Repeat("x", 2<<20)), 422, "annotations"},
			{"4 MiB", mediaJSON, valid(strings.Repeat("x", 4<<20)), 413, "limit is 3145728"},
			{"protobuf garbage", mediaProtobuf, "k8s\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 400, ""},
			{"protobuf of no Kubernetes object", mediaProtobuf, "\x0a\x05hello",
				400, "does not appear to be a protobuf message"},
			{"protobuf with a length beyond its end", mediaProtobuf,
				"k8s\x00\x0a\x18\x0a\x14mysql.example.com/v1\x12\xff\xff\xff\xff\x0f", 400, ""},
			{"an empty protobuf message", mediaProtobuf, "k8s\x00", 400, ""},
			{"compressed JSON", mediaJSON, compressed(), 400, ""},
			{"an unknown media type", "application/x-www-form-urlencoded", "a=b", 415, "accepted media types"},
		} {
			By(row.title)
			status, answer := editor.with("Content-Type", row.media).do(ctx, http.MethodPost, in, row.body)
			Expect(status).To(Equal(row.want), "%s: %.300s", row.title, answer)
			Expect(len(answer)).To(BeNumerically("<", 4096), "%s: an error is one line, not the input again", row.title)
			Expect(answer).To(ContainSubstring(row.says), row.title)
			var refusal metav1.Status
			Expect(json.Unmarshal([]byte(answer), &refusal)).To(Succeed(), row.title)
			Expect(refusal.Status).To(Equal(metav1.StatusFailure), row.title)
		}

		for _, row := range []struct {
			title, media, body string
			want               int
		}{
			{"a JSON patch of another shape", "application/json-patch+json", `{"a":1}`, 400},
			{"a JSON patch that copies for ever", "application/json-patch+json", copies(4000), 422},
			{"a merge patch of a string", "application/merge-patch+json", `"x"`, 400},
			// 500 is the library's answer for built-in resources as well.
			{"a strategic merge patch with an unknown directive", "application/strategic-merge-patch+json",
				`{"spec":{"$patch":"burn"}}`, 500},
			{"an apply without a kind", "application/apply-patch+yaml", `spec: {}`, 400},
			{"an apply of a YAML alias bomb", "application/apply-patch+yaml", aliases(), 400},
		} {
			By(row.title)
			status, answer := editor.with("Content-Type", row.media).
				do(ctx, http.MethodPatch, in+"/kept?fieldManager=x", row.body)
			Expect(status).To(Equal(row.want), "%s: %.300s", row.title, answer)
		}

		By("still serving")
		after, err := client.MysqlV1().MySQLInstances(namespace).Get(ctx, "kept", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(after).To(Equal(kept))
		Expect(serverLog(ctx)).NotTo(ContainSubstring("panic"))
	})
})

// copies is a JSON patch that doubles a label with each operation.
func copies(count int) string {
	operations := []string{`{"op":"add","path":"/metadata/labels","value":{"a":"` +
		strings.Repeat("x", 4096) + `"}}`}
	for range count {
		operations = append(operations, `{"op":"copy","from":"/metadata/labels","path":"/metadata/labels/b"}`)
	}
	return "[" + strings.Join(operations, ",") + "]"
}

// aliases is a YAML document of some hundred bytes that would expand to gigabytes.
func aliases() string {
	var document strings.Builder
	document.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := range 9 {
		from, to := string(rune('0'+i)), string(rune('1'+i))
		document.WriteString("a" + to + ": &a" + to + " [*a" + from + strings.Repeat(",*a"+from, 9) + "]\n")
	}
	return document.String()
}
