package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// recorder is a server that answers what it is told to, and remembers what it was asked. It shows the statements for
// servers that cannot be run wherever the tests are.
type recorder struct {
	// answers by statement: the columns, and the rows below them. A statement without an answer has no rows.
	answers map[string][][]any
	// errors by statement.
	errors map[string]error
	// heard are the statements in order, with their arguments.
	heard []string
}

// answer to the first question of every session.
func newRecorder(version, comment string) *recorder {
	return &recorder{
		answers: map[string][][]any{selectVersion: {{"VERSION()", "@@version_comment"}, {version, comment}}},
		errors:  map[string]error{},
	}
}

func (r *recorder) open(t *testing.T) *session {
	t.Helper()
	s, err := open(t.Context(), sql.OpenDB(r), "root")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	r.heard = nil
	return s
}

func (r *recorder) hear(query string, arguments []driver.NamedValue) error {
	values := make([]string, len(arguments))
	for i, argument := range arguments {
		values[i] = fmt.Sprintf("%v", argument.Value)
	}
	text := query
	if len(values) > 0 {
		text += " <- " + strings.Join(values, " | ")
	}
	r.heard = append(r.heard, text)
	return r.errors[query]
}

func (r *recorder) Connect(context.Context) (driver.Conn, error) { return r, nil }
func (r *recorder) Driver() driver.Driver                        { return nil }
func (r *recorder) Close() error                                 { return nil }
func (r *recorder) Begin() (driver.Tx, error)                    { return nil, errors.New("no transactions here") }
func (r *recorder) Prepare(query string) (driver.Stmt, error) {
	return nil, fmt.Errorf("%q was to be prepared, which servers refuse for such statements", query)
}

func (r *recorder) ExecContext(_ context.Context, query string, a []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(0), r.hear(query, a)
}

func (r *recorder) QueryContext(_ context.Context, query string, a []driver.NamedValue) (driver.Rows, error) {
	if err := r.hear(query, a); err != nil {
		return nil, err
	}
	answer := r.answers[query]
	if len(answer) == 0 {
		answer = [][]any{{"nothing"}}
	}
	return &answered{rows: answer}, nil
}

type answered struct{ rows [][]any }

func (a *answered) Columns() []string {
	columns := make([]string, len(a.rows[0]))
	for i, column := range a.rows[0] {
		columns[i] = column.(string)
	}
	return columns
}

func (a *answered) Close() error { return nil }

func (a *answered) Next(values []driver.Value) error {
	if len(a.rows) == 1 {
		return io.EOF
	}
	for i, value := range a.rows[1] {
		values[i] = value
	}
	a.rows = append(a.rows[:1:1], a.rows[2:]...)
	return nil
}
