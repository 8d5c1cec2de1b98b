package database

import (
	"context"
	"crypto/sha1"
	"database/sql"
	"fmt"
	"strings"
)

// session is the Server of a real connection.
type session struct {
	db     *sql.DB
	flavor Flavor
	words  words
	// user that the session logged in as.
	user string
}

// open asks the server what it is. It closes db if that fails.
func open(ctx context.Context, db *sql.DB, user string) (*session, error) {
	// What is set for the session must hold for every statement.
	db.SetMaxOpenConns(1)
	var version, comment string
	err := db.QueryRowContext(ctx, selectVersion).Scan(&version, &comment)
	var flavor Flavor
	if err == nil {
		flavor, err = ParseFlavor(version, comment)
	}
	if err != nil {
		_ = db.Close() // the first error says more
		return nil, err
	}
	return &session{db: db, flavor: flavor, words: wordsOf(flavor), user: user}, nil
}

func (s *session) Flavor() Flavor { return s.flavor }

func (s *session) Close() error { return s.db.Close() }

func (s *session) execute(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := s.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// rows reads an answer as texts by column; NULL is missing.
func (s *session) rows(ctx context.Context, query string, arguments ...any) ([]map[string]string, error) {
	rows, err := s.db.QueryContext(ctx, query, arguments...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err has said it already
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var result []map[string]string
	for rows.Next() {
		values, targets := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		row := map[string]string{}
		for i, column := range columns {
			if values[i].Valid {
				row[column] = values[i].String
			}
		}
		result = append(result, row)
	}
	return result, rows.Err()
}

// column reads an answer of one column.
func (s *session) column(ctx context.Context, query string, arguments ...any) ([]string, error) {
	rows, err := s.rows(ctx, query, arguments...)
	if err != nil {
		return nil, err
	}
	values := make([]string, 0, len(rows))
	for _, row := range rows {
		for _, value := range row {
			values = append(values, value)
		}
	}
	return values, nil
}

// writing lets do change accounts and data on a server that refuses even its administrator: super_read_only is off for
// that time. read_only stays, so that nobody else gets in between.
func (s *session) writing(ctx context.Context, do func() error) (err error) {
	if s.flavor.Product != MySQL {
		return do()
	}
	var refuses bool
	if err := s.db.QueryRowContext(ctx, "SELECT @@GLOBAL.super_read_only").Scan(&refuses); err != nil || !refuses {
		if err != nil {
			return err
		}
		return do()
	}
	if err := s.execute(ctx, superReadOnlyOff); err != nil {
		return err
	}
	defer func() {
		if again := s.execute(ctx, superReadOnlyOn); err == nil {
			err = again
		}
	}()
	return do()
}

// secret is how a password is given to the server: to MariaDB, as the hash of mysql_native_password.
func (s *session) secret(password string) string {
	if s.flavor.Product != MariaDB || password == "" {
		return password
	}
	first := sha1.Sum([]byte(password))
	second := sha1.Sum(first[:])
	return fmt.Sprintf("*%X", second)
}

// placeholders for n arguments.
func placeholders(n int) string {
	return strings.TrimSuffix(strings.Repeat("?, ", n), ", ")
}

// identifier quotes the name of a schema or a role.
func identifier(name string) string {
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}
