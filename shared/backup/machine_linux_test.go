package backup_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/duet-api/duet/shared/backup"
)

// fakes stand in for the programs of MySQL. Each writes how it was called, one line for each call.
var fakes = map[string]string{
	"mysqldump": `
case $1 in
--version) echo "mysqldump  Ver 8.4.3 for Linux on x86_64 (${FLAVOR:-MySQL Community Server - GPL})"; exit ;;
--help) echo "  ${POSITION_OPTION:---source-data}[=#]"; exit ;;
esac
echo "mysqldump $*" >> "$CALLS"
case " $* " in
*" --databases "*) echo "-- the data, read with the password $MYSQL_PWD" ;;
*) echo "-- the accounts" ;;
esac
eval "${DURING_DUMP:-}"
`,
	"mysql": `
echo "mysql $*" >> "$CALLS"
case "$*" in
*schemata*) printf '%s' "${DATABASES-shop}" ;;
*role_edges*) echo role_edges ;;
*information_schema.tables*) printf 'db\nuser\n' ;;
*) cat > "$RECEIVED" ;;
esac
`,
}

// machine is a directory of backups, the scripts, and the programs that they find.
type machine struct {
	t       *testing.T
	dir     string
	backups string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t, dir: t.TempDir()}
	m.backups = filepath.Join(m.dir, "backups")
	for _, dir := range []string{"bin", "backups"} {
		if err := os.Mkdir(filepath.Join(m.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, script := range fakes {
		m.file(filepath.Join("bin", name), "#!/usr/bin/env bash\nset -e"+script, 0)
	}
	for name, script := range backup.Scripts() {
		m.file(name, script, 0)
	}
	return m
}

// file writes an executable file that is days old.
func (m *machine) file(name, content string, days int) {
	m.t.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		m.t.Fatal(err)
	}
	then := time.Now().AddDate(0, 0, -days)
	if err := os.Chtimes(path, then, then); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) read(name string) string {
	m.t.Helper()
	content, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(content)
}

// command runs one of the scripts, in a process group of its own.
func (m *machine) command(script string, env ...string) (*exec.Cmd, *bytes.Buffer) {
	command := exec.CommandContext(m.t.Context(), "bash", filepath.Join(m.dir, script))
	command.Env = append([]string{
		"PATH=" + filepath.Join(m.dir, "bin") + ":" + os.Getenv("PATH"),
		"CALLS=" + filepath.Join(m.dir, "calls"), "RECEIVED=" + filepath.Join(m.dir, "received"),
		"BACKUPS=" + m.backups, "HOSTNAME=pod", "RETENTION_DAYS=7",
		"DATABASE_HOST=db-primary", "DATABASE_PORT=3307", "MYSQL_PWD=it's a secret", "TLS_MODE=Preferred",
	}, env...)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return command, &output
}

func (m *machine) run(script string, env ...string) (string, error) {
	command, output := m.command(script, env...)
	err := command.Run()
	return output.String(), err
}

// stored are the files in the directory of backups.
func (m *machine) stored() []string {
	m.t.Helper()
	entries, err := os.ReadDir(m.backups)
	if err != nil {
		m.t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// single is the one backup that there is.
func (m *machine) single() string {
	m.t.Helper()
	all := slices.DeleteFunc(m.stored(), func(name string) bool { return !strings.HasSuffix(name, ".sql.gz") })
	if len(all) != 1 {
		m.t.Fatalf("there are backups %v, want one", all)
	}
	return all[0]
}

// put stores a backup and its checksum.
func (m *machine) put(name, sql string, days int) {
	m.t.Helper()
	var content bytes.Buffer
	w := gzip.NewWriter(&content)
	if _, err := io.WriteString(w, sql); err != nil {
		m.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		m.t.Fatal(err)
	}
	sum := sha256.Sum256(content.Bytes())
	m.file(filepath.Join("backups", name), content.String(), days)
	m.file(filepath.Join("backups", name+".sha256"), hex.EncodeToString(sum[:])+"  "+name+"\n", days)
}
