package database

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// variableName is what a name must look like to become a part of a statement: it cannot be an argument.
var variableName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func (s *session) Variables(ctx context.Context, names ...string) (map[string]string, error) {
	return s.named(ctx, "read the server's variables", showVariables, names)
}

// named asks for rows of a name and a value.
func (s *session) named(ctx context.Context, what, query string, names []string) (map[string]string, error) {
	values := make(map[string]string, len(names))
	if len(names) == 0 {
		return values, nil
	}
	arguments := make([]any, len(names))
	for i, name := range names {
		arguments[i] = name
	}
	rows, err := s.rows(ctx, query+placeholders(len(names))+")", arguments...)
	if err != nil {
		return nil, failed(what, err)
	}
	for _, row := range rows {
		values[strings.ToLower(row["Variable_name"])] = row["Value"]
	}
	return values, nil
}

func (s *session) FromFile(ctx context.Context, ending string) ([]string, error) {
	names, err := s.column(ctx, s.words.fromFile, ending, ending)
	return names, failed("ask which variables came from a file", err)
}

func (s *session) SetVariable(ctx context.Context, name string, value any) error {
	if !variableName.MatchString(name) {
		return fmt.Errorf("could not set a variable: %q is no name of one", name)
	}
	statement, arguments := "SET GLOBAL "+name+" = ?", []any{value}
	if value == nil {
		statement, arguments = "SET GLOBAL "+name+" = DEFAULT", nil
	}
	_, err := s.db.ExecContext(ctx, statement, arguments...)
	return failed("set "+name, err)
}

func (s *session) Stats(ctx context.Context) (Stats, error) {
	values, err := s.named(ctx, "read the server's counters", showStatus, []string{
		"Uptime", "Threads_connected", "Threads_running", "Questions", "Slow_queries", "Connections",
		"Bytes_received", "Bytes_sent",
	})
	if err != nil {
		return Stats{}, err
	}
	number := func(name string) uint64 {
		// A server that does not count something says 0 as well.
		n, _ := strconv.ParseUint(values[name], 10, 64)
		return n
	}
	return Stats{
		Uptime:           time.Duration(number("uptime")) * time.Second,
		ThreadsConnected: number("threads_connected"),
		ThreadsRunning:   number("threads_running"),
		Queries:          number("questions"),
		SlowQueries:      number("slow_queries"),
		Connections:      number("connections"),
		BytesReceived:    number("bytes_received"),
		BytesSent:        number("bytes_sent"),
	}, nil
}
