package controller

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

func (c machines) give(password string) {
	c.t.Helper()
	meddle(c.world, &corev1.Secret{}, "given", func(s *corev1.Secret) { s.Data = map[string][]byte{"root": []byte(password)} })
}

func (c machines) accounts() accounts {
	c.t.Helper()
	var secret corev1.Secret
	c.get(&secret, "db-accounts")
	known, err := accountsOf(&secret)
	if err != nil {
		c.t.Fatal(err)
	}
	return known
}

// rotated wants every server to have one password and no other, and nothing to be remembered.
func (c machines) rotated(want string) {
	c.t.Helper()
	for ordinal := range 2 {
		if s := c.at(ordinal); s.password != want || s.earlier != "" {
			c.t.Errorf("server %d has %q and %q, want %q and nothing", ordinal, s.password, s.earlier, want)
		}
	}
	if known := c.accounts(); known.root != want || len(known.earlier) > 0 {
		c.t.Errorf("remembered are %q and %q", known.root, known.earlier)
	}
}

func TestRotation(t *testing.T) {
	c := newMachines(t, 2)
	c.settle()
	c.give("second")
	c.settle()
	c.rotated("second")
	if got := c.replicating(); got != "True Following" {
		t.Errorf("Replicating is %s", got)
	}
}

// TestRotationStoppedAnywhere stops the controller at each of its steps, before it and after it, gives another password
// before it comes back or not, and wants nobody to be locked out.
func TestRotationStoppedAnywhere(t *testing.T) {
	stopped := errors.New("stopped")
	steps := func(c machines) []string {
		c.forget()
		c.heard = nil
		c.give("second")
		all := c.converge()
		return append(all, c.heard...)
	}
	undisturbed := newMachines(t, 2)
	undisturbed.settle()
	all := steps(undisturbed)
	if len(all) < 5 {
		t.Fatalf("only %d steps: %v", len(all), all)
	}
	for i, step := range all {
		for _, done := range []bool{false, true} {
			for _, last := range []string{"second", "third", "secret"} {
				t.Run(fmt.Sprintf("%s, done %v, then %s", step, done, last), func(t *testing.T) {
					c := newMachines(t, 2)
					c.settle()
					// The same step may come several times; it is the one with this number among them.
					number, count := 0, 0
					for _, earlier := range all[:i] {
						if earlier == step {
							number++
						}
					}
					dead := false
					fail := func(did string) error {
						if dead {
							return stopped
						}
						if did == step {
							if count++; count == number+1 {
								dead = true
								return stopped
							}
						}
						return nil
					}
					if done {
						c.world.after, c.fakeServers.after = fail, fail
					} else {
						c.world.before, c.fakeServers.before = fail, fail
					}
					c.give("second")
					for range 3 {
						_, _ = c.reconcile() // it fails, and nothing it wants to do is done any more
					}
					c.world.before, c.world.after, c.fakeServers.before, c.fakeServers.after = nil, nil, nil, nil
					c.reconciler.memories = memories{}
					c.give(last)
					c.converge()
					c.rotated(last)
				})
			}
		}
	}
}

func TestEarlierPasswordsStayWhileAVolumeMayHaveThem(t *testing.T) {
	c := newMachines(t, 2)
	c.settle()
	c.at(1).down = true
	c.give("second")
	c.settle()
	c.give("third")
	c.settle()
	if got := c.accounts(); !slices.Equal(got.earlier, []string{"second", "secret"}) {
		t.Errorf("remembered are %q", got.earlier)
	}
	if c.at(0).password != "third" {
		t.Errorf("the server that is there has %q", c.at(0).password)
	}
	c.at(1).down = false
	c.settle()
	c.rotated("third")
}

func TestAPasswordThatNobodyKnows(t *testing.T) {
	c := newMachines(t, 2)
	c.settle()
	c.at(0).password = "changed by somebody"
	c.settle()
	if got := c.condition(v1.ConditionConfigurationApplied); got != "False FieldsNotObeyed" {
		t.Errorf("ConfigurationApplied is %s", got)
	}
	for _, c := range c.instance().Status.Conditions {
		if strings.Contains(c.Message, "secret") && strings.Contains(c.Message, "somebody") {
			t.Errorf("%s says a password: %s", c.Type, c.Message)
		}
	}
	c.give("changed by somebody")
	c.settle()
	c.rotated("changed by somebody")
}

func TestAccountsWanting(t *testing.T) {
	long := accounts{root: "new"}
	for i := range maxEarlierPasswords {
		long.earlier = append(long.earlier, fmt.Sprint(i))
	}
	tests := map[string]struct {
		before accounts
		root   string
		want   []string
	}{
		"the same":               {before: accounts{root: "a", earlier: []string{"b"}}, root: "a", want: []string{"b"}},
		"another":                {before: accounts{root: "a", earlier: []string{"b"}}, root: "c", want: []string{"a", "b"}},
		"back to an earlier":     {before: accounts{root: "a", earlier: []string{"b", "c"}}, root: "b", want: []string{"a", "c"}},
		"the first after a loss": {root: "a", want: []string{}},
		"more than are kept":     {before: long, root: "newest", want: append([]string{"new"}, long.earlier[:maxEarlierPasswords-1]...)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := test.before.wanting(test.root)
			if diff := cmp.Diff(test.want, got.earlier); diff != "" || got.root != test.root {
				t.Errorf("root %q, earlier (-want +got):\n%s", got.root, diff)
			}
		})
	}
}

func TestAnAccountsSecretThatCannotBeRead(t *testing.T) {
	c := newMachines(t, 1)
	c.settle()
	meddle(c.world, &corev1.Secret{}, "db-accounts", func(s *corev1.Secret) {
		s.Data[accountsEarlierKey] = []byte("hunter2")
	})
	c.settle()
	if got := c.condition(v1.ConditionProgressing); got != "False SecretKeyNotFound" {
		t.Errorf("Progressing is %s", got)
	}
	for _, c := range c.instance().Status.Conditions {
		if strings.Contains(c.Message, "hunter2") {
			t.Errorf("%s says what is in the Secret: %s", c.Type, c.Message)
		}
	}
}

func TestADeletedAccountsSecretIsMadeAnew(t *testing.T) {
	c := newMachines(t, 2)
	c.settle()
	if err := c.server.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db-accounts"}}); err != nil {
		t.Fatal(err)
	}
	c.settle()
	c.rotated("secret")
	// The account has another password now; replication that runs goes on, and what starts anew gets it.
	if got := c.replicating(); got != "True Following" {
		t.Errorf("Replicating is %s", got)
	}
}
