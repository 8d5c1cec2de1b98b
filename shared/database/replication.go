package database

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (s *session) State(ctx context.Context) (State, error) {
	state, err := s.state(ctx)
	return state, failed("read the state of the server", err)
}

func (s *session) state(ctx context.Context) (State, error) {
	var state State
	err := s.db.QueryRowContext(ctx, s.words.executed).
		Scan(&state.Executed, &state.Complete, &state.ReadOnly, &state.SuperReadOnly)
	if err != nil {
		return state, err
	}
	// MySQL breaks a long set into lines.
	state.Executed = strings.ReplaceAll(state.Executed, "\n", "")
	if state.Complete && s.flavor.Product == MariaDB {
		if state.Complete, err = s.logsAreComplete(ctx); err != nil {
			return state, err
		}
	}
	if state.Schemas, err = s.column(ctx, selectSchemas); err != nil {
		return state, err
	}
	if i := slices.Index(state.Schemas, markerSchema); i >= 0 {
		state.Schemas, state.Wiping = slices.Delete(state.Schemas, i, i+1), true
	}
	cipher, err := s.rows(ctx, showCipher)
	if err != nil {
		return state, err
	}
	state.Encrypted = len(cipher) == 1 && cipher[0]["Value"] != ""
	rows, err := s.rows(ctx, s.words.showReplication)
	if err != nil {
		return state, err
	}
	for _, row := range rows {
		// Other channels are somebody else's.
		if row["Channel_Name"] == "" && row["Connection_name"] == "" {
			state.Source = following(row)
		}
	}
	return state, nil
}

// logsAreComplete says whether MariaDB's first binary log begins with nothing before it.
func (s *session) logsAreComplete(ctx context.Context) (bool, error) {
	logs, err := s.rows(ctx, showBinaryLogs)
	if hasCode(err, codeNoBinaryLog) {
		return false, nil
	}
	if err != nil || len(logs) == 0 {
		return false, err
	}
	before, err := s.column(ctx, binaryLogStart, logs[0]["Log_name"])
	return len(before) == 1 && before[0] == "", err
}

// following reads a row of the status of replication, in the old words or in the new ones.
func following(row map[string]string) *Following {
	get := func(column string) string {
		if value, ok := row[strings.NewReplacer("Replica", "Slave", "Source", "Master").Replace(column)]; ok {
			return value
		}
		return row[column]
	}
	port, _ := strconv.Atoi(get("Source_Port"))
	gtid := get("Using_Gtid")
	f := &Following{
		Host: get("Source_Host"), Port: port, User: get("Source_User"),
		Encrypted: get("Source_SSL_Allowed") == "Yes",
		ByGTID:    get("Auto_Position") == "1" || gtid != "" && gtid != "No",
		Receiver:  thread(get("Replica_IO_Running"), get("Last_IO_Errno"), get("Last_IO_Error")),
		Applier:   thread(get("Replica_SQL_Running"), get("Last_SQL_Errno"), get("Last_SQL_Error")),
	}
	if seconds, err := strconv.ParseInt(get("Seconds_Behind_Source"), 10, 64); err == nil {
		behind := time.Duration(seconds) * time.Second
		f.Behind = &behind
	}
	return f
}

func thread(running, code, text string) Thread {
	t := Thread{State: Stopped, Error: text}
	switch running {
	case "Yes":
		t.State = Running
	case "Connecting", "Preparing":
		t.State = Connecting
	}
	t.Code, _ = strconv.Atoi(code)
	return t
}

func (s *session) Lacks(ctx context.Context, other State) (string, error) {
	const what = "compare the transactions of two servers"
	if s.flavor.Product == MySQL {
		var missing string
		err := s.db.QueryRowContext(ctx, subtractExecuted, other.Executed).Scan(&missing)
		return strings.ReplaceAll(missing, "\n", ""), failed(what, err)
	}
	own, err := s.state(ctx)
	if err != nil {
		return "", failed(what, err)
	}
	missing, err := missingGTIDs(own.Executed, other.Executed)
	return missing, failed(what, err)
}

func (s *session) Lead(ctx context.Context) error {
	statements := append([]string{s.words.stop, s.words.resetAll}, s.words.writable...)
	return failed("make the server the primary", s.execute(ctx, statements...))
}

func (s *session) Follow(ctx context.Context, source Source) error {
	err := s.execute(ctx, s.words.stop)
	if err == nil {
		_, err = s.db.ExecContext(ctx, s.words.changeSource,
			source.Host, source.Port, source.User, source.Password, source.Encrypted, source.AuthorityFile)
	}
	if err == nil {
		err = s.execute(ctx, s.words.start)
	}
	return failed("make the server follow "+source.Host, withoutSecrets(err, source.Password))
}

func (s *session) Resume(ctx context.Context) error {
	return failed("start replication", s.execute(ctx, s.words.start))
}

func (s *session) Pause(ctx context.Context) error {
	return failed("stop replication", s.execute(ctx, s.words.stop))
}

func (s *session) SetReadOnly(ctx context.Context, readOnly bool) error {
	statements, what := s.words.writable, "let the server take writes"
	if readOnly {
		statements, what = s.words.readOnly, "make the server refuse writes"
	}
	return failed(what, s.execute(ctx, statements...))
}

func (s *session) Wipe(ctx context.Context, keep ...string) error {
	return failed("empty the server", s.writing(ctx, func() error { return s.wipe(ctx, append(keep, s.user)) }))
}

// wipe forgets the transactions first: data that belongs to no transaction is not taken for good by anybody, and the
// marker tells it from data that somebody made.
func (s *session) wipe(ctx context.Context, keep []string) error {
	err := s.execute(ctx, append([]string{createSchema + identifier(markerSchema), s.words.stop, s.words.resetAll},
		append(s.words.forget, withoutForeign)...)...)
	if err != nil {
		return err
	}
	schemas, err := s.column(ctx, selectSchemas)
	if err != nil {
		return err
	}
	for _, schema := range schemas {
		if schema == markerSchema {
			continue
		}
		if err := s.execute(ctx, dropSchema+identifier(schema)); err != nil {
			return err
		}
	}
	if err := s.dropAccounts(ctx, keep); err != nil {
		return err
	}
	return s.execute(ctx, dropSchema+identifier(markerSchema))
}

func (s *session) dropAccounts(ctx context.Context, keep []string) error {
	accounts, err := s.rows(ctx, s.words.others)
	if err != nil {
		return err
	}
	for _, account := range accounts {
		if slices.Contains(keep, account["User"]) {
			continue
		}
		if _, err := s.db.ExecContext(ctx, dropUser, account["User"], account["Host"]); err != nil {
			return err
		}
	}
	if s.words.roles == "" {
		return nil
	}
	roles, err := s.column(ctx, s.words.roles)
	if err != nil {
		return err
	}
	for _, role := range roles {
		if err := s.execute(ctx, dropRole+identifier(role)); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) Donate(ctx context.Context) error {
	return failed("install the clone plugin", s.writing(ctx, func() error { return s.installClone(ctx) }))
}

func (s *session) Clone(ctx context.Context, source Source) error {
	if !s.flavor.CanClone() {
		return fmt.Errorf("could not clone: %s has no plugin for it", s.flavor)
	}
	return failed("clone from "+source.Host, withoutSecrets(s.clone(ctx, source), source.Password))
}

func (s *session) clone(ctx context.Context, source Source) error {
	err := s.writing(ctx, func() error { return s.installClone(ctx) })
	if err != nil {
		return err
	}
	if _, err := s.db.ExecContext(ctx, allowDonor, fmt.Sprintf("%s:%d", source.Host, source.Port)); err != nil {
		return err
	}
	// Only a server that takes writes is replaced. What it persisted about that survives, and holds after its restart.
	if err := s.execute(ctx, s.words.stop, superReadOnlyOff, "SET GLOBAL read_only = OFF"); err != nil {
		return err
	}
	statement := fmt.Sprintf(cloneFrom, source.Port) + cloneUnencrypted
	if source.Encrypted {
		statement = fmt.Sprintf(cloneFrom, source.Port) + cloneEncrypted
	}
	_, err = s.db.ExecContext(ctx, statement, source.User, source.Host, source.Password)
	if hasCode(err, codeNotSupervised) {
		return nil
	}
	return err
}

func (s *session) installClone(ctx context.Context) error {
	err := s.execute(ctx, installClone)
	if hasCode(err, codeFunctionExists) {
		return nil
	}
	return err
}
