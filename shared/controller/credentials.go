package controller

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// Keys of the accounts Secret.
const (
	// accountsRootKey has the root password that is wanted. New data is made with it, so that the pods do not change when
	// the spec names another Secret.
	accountsRootKey = "root-password"
	// accountsEarlierKey has root passwords that a server may still have, as a JSON list, the newest first.
	accountsEarlierKey = "earlier-root-passwords"
	// accountsReplicationKey has the password of the account that replicas log in with.
	accountsReplicationKey = "replication-password"
)

// maxEarlierPasswords bounds the Secret. Passwords leave it once every volume has the newest; only one that is detached
// for that many changes would be locked out.
const maxEarlierPasswords = 16

// accounts are the passwords that the controller has to know to get into the servers.
//
// A server's password is in its data, and a change of it is no transaction with the API server: the controller may be
// stopped between the two at any point, and a server may be down while others change. So every wanted password is
// written down here before it is used for anything, and is forgotten only after every volume was seen with a newer one.
// At each moment the password of a server is therefore one of these.
type accounts struct {
	root        string
	earlier     []string
	replication string
}

// accountsName of the Secret with the accounts. Like the generated root password, it outlives an instance whose volumes
// do.
func accountsName(instance *v1.MySQLInstance) string { return namesOf(instance).base + "-accounts" }

// accountsSecret is what the controller keeps of the accounts Secret by applying it: as with the root Secret, no data.
func accountsSecret(instance *v1.MySQLInstance) *corev1ac.SecretApplyConfiguration {
	return ownSecret(instance, accountsName(instance))
}

// rememberAccounts makes the accounts Secret if there is none, and writes a new root password down in it.
func (r *Reconciler) rememberAccounts(ctx context.Context, instance *v1.MySQLInstance, root string) (accounts, error) {
	live, err := r.liveAccounts(ctx, instance)
	if err != nil {
		return accounts{}, err
	}
	if live == nil {
		return r.createAccounts(ctx, instance, root)
	}
	known, err := accountsOf(live)
	if err != nil {
		return known, err
	}
	wanted := known.wanting(root)
	if wanted.replication == "" {
		// Somebody took it out. The servers get the new one like any other.
		if wanted.replication, err = drawPassword(r.Random); err != nil {
			return known, err
		}
	}
	if known.same(wanted) {
		return known, nil
	}
	return wanted, r.writeAccounts(ctx, live, wanted)
}

// forgetEarlier ends a change of the root password, after all servers have the new one.
func (r *Reconciler) forgetEarlier(ctx context.Context, instance *v1.MySQLInstance, known accounts) error {
	live, err := r.liveAccounts(ctx, instance)
	if err != nil || live == nil {
		return err
	}
	found, err := accountsOf(live)
	if err != nil || !found.same(known) {
		// Another password is wanted by now.
		return err
	}
	found.earlier = nil
	return r.writeAccounts(ctx, live, found)
}

// liveAccounts is the accounts Secret; nil if there is none. A cache that does not show it is not believed: a second
// password for replication would be made.
func (r *Reconciler) liveAccounts(ctx context.Context, instance *v1.MySQLInstance) (*corev1.Secret, error) {
	key := client.ObjectKey{Namespace: instance.Namespace, Name: accountsName(instance)}
	var live corev1.Secret
	err := r.Client.Get(ctx, key, &live)
	if apierrors.IsNotFound(err) {
		err = r.Reader.Get(ctx, key, &live)
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("could not read Secret %s: %w", key.Name, err)
	}
	return &live, checkOwnership(instance, "Secret", &live)
}

func (r *Reconciler) createAccounts(ctx context.Context, instance *v1.MySQLInstance, root string) (accounts, error) {
	replication, err := drawPassword(r.Random)
	if err != nil {
		return accounts{}, err
	}
	known := accounts{root: root, replication: replication}
	made := &corev1.Secret{Type: corev1.SecretTypeOpaque}
	made.Name, made.Namespace, made.Labels = accountsName(instance), instance.Namespace, selectorLabels(instance)
	if made.Data, err = known.data(); err != nil {
		return accounts{}, err
	}
	if err := r.Client.Create(ctx, made, client.FieldOwner(FieldManager)); err != nil {
		return accounts{}, refusal(fmt.Errorf("could not create Secret %s: %w", made.Name, err))
	}
	return known, nil
}

// writeAccounts fails with a conflict if somebody else wrote since live was read.
func (r *Reconciler) writeAccounts(ctx context.Context, live *corev1.Secret, wanted accounts) error {
	before := live.DeepCopy()
	data, err := wanted.data()
	if err != nil {
		return err
	}
	live.Data = data
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, live, patch, client.FieldOwner(FieldManager)); err != nil {
		return refusal(fmt.Errorf("could not write Secret %s: %w", live.Name, err))
	}
	return nil
}

func accountsOf(secret *corev1.Secret) (accounts, error) {
	a := accounts{
		root:        string(secret.Data[accountsRootKey]),
		replication: string(secret.Data[accountsReplicationKey]),
	}
	if list := secret.Data[accountsEarlierKey]; len(list) > 0 {
		if err := json.Unmarshal(list, &a.earlier); err != nil {
			// Its content is secret, and so is the error about it.
			return a, &blocked{reason: ReasonSecretKeyNotFound, message: fmt.Sprintf(
				"the key %s of Secret %s is no JSON list of strings: write one, such as [], and the servers' root password "+
					"into it if it is another one", accountsEarlierKey, secret.Name)}
		}
	}
	return a, nil
}

func (a accounts) data() (map[string][]byte, error) {
	data := map[string][]byte{accountsRootKey: []byte(a.root), accountsReplicationKey: []byte(a.replication)}
	if len(a.earlier) > 0 {
		list, err := json.Marshal(a.earlier)
		if err != nil {
			return nil, fmt.Errorf("could not write down the earlier passwords: %w", err)
		}
		data[accountsEarlierKey] = list
	}
	return data, nil
}

func (a accounts) same(b accounts) bool {
	return a.root == b.root && a.replication == b.replication && slices.Equal(a.earlier, b.earlier)
}

// wanting are the accounts once another root password is wanted.
func (a accounts) wanting(root string) accounts {
	if root == a.root {
		return a
	}
	earlier := []string{}
	for _, password := range append([]string{a.root}, a.earlier...) {
		if password != "" && password != root && !slices.Contains(earlier, password) {
			earlier = append(earlier, password)
		}
	}
	a.root, a.earlier = root, earlier[:min(len(earlier), maxEarlierPasswords)]
	return a
}

// drawPassword is 32 characters of what every server and every shell takes as it is.
func drawPassword(random io.Reader) (string, error) {
	password := make([]byte, passwordBytes)
	if _, err := io.ReadFull(random, password); err != nil {
		return "", fmt.Errorf("could not draw a password: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(password), nil
}
