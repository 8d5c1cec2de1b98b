package database

import (
	"context"
	"fmt"
	"strings"
)

func (s *session) EnsureReplicationUser(ctx context.Context, user, password string, renew bool) error {
	var count int
	err := s.db.QueryRowContext(ctx, countUser, user).Scan(&count)
	if err == nil && (count == 0 || renew) {
		err = s.writing(ctx, func() error { return s.makeReplicationUser(ctx, user, s.secret(password)) })
	}
	return failed("make the account for replication", withoutSecrets(err, password, s.secret(password)))
}

func (s *session) makeReplicationUser(ctx context.Context, user, secret string) error {
	for _, statement := range []string{s.words.createUser, s.words.setUser} {
		if _, err := s.db.ExecContext(ctx, statement, user, secret); err != nil {
			return err
		}
	}
	_, err := s.db.ExecContext(ctx, s.words.grantUser, user)
	return err
}

func (s *session) SetRootPassword(ctx context.Context, password string) error {
	err := s.writing(ctx, func() error { return s.setPassword(ctx, s.secret(password)) })
	return failed("set the root password", withoutSecrets(err, password, s.secret(password)))
}

// setPassword changes all accounts in one statement, which happens or does not.
func (s *session) setPassword(ctx context.Context, secret string) error {
	hosts, err := s.column(ctx, s.words.accounts, s.user)
	if err != nil {
		return err
	}
	if len(hosts) == 0 {
		return fmt.Errorf("no account of %s logs in with a password", s.user)
	}
	var arguments []any
	accounts := make([]string, 0, len(hosts))
	for _, host := range hosts {
		accounts = append(accounts, s.words.setPassword+s.words.retain)
		arguments = append(arguments, s.user, host, secret)
	}
	_, err = s.db.ExecContext(ctx, "ALTER USER "+strings.Join(accounts, ", "), arguments...)
	return err
}

func (s *session) DiscardOldPassword(ctx context.Context) error {
	if s.words.discard == "" {
		return nil
	}
	return failed("discard the old root password", s.writing(ctx, func() error {
		hosts, err := s.column(ctx, s.words.accounts, s.user)
		if err != nil {
			return err
		}
		for _, host := range hosts {
			if _, err := s.db.ExecContext(ctx, s.words.discard, s.user, host); err != nil {
				return err
			}
		}
		return nil
	}))
}
