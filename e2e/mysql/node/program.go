package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Program is the server that is installed on this machine.
type Program struct {
	path string
	// mariadb is true for MariaDB, false for MySQL.
	mariadb bool
	// install is the program that makes MariaDB's data; MySQL makes its own.
	install string
	// Version is what the program says.
	Version string
}

// FindProgram looks for a server on PATH and where distributions put one: MySQL first, since that is what instances ask
// for.
func FindProgram(ctx context.Context) (Program, error) {
	var p Program
	for _, name := range []string{"mysqld", "mariadbd"} {
		path, err := lookPath(name)
		if err != nil {
			continue
		}
		version, err := exec.CommandContext(ctx, path, "--no-defaults", "--version").Output()
		if err != nil {
			return p, fmt.Errorf("could not ask %s for its version: %w", path, err)
		}
		p.path, p.Version = path, strings.TrimSpace(string(version))
		p.mariadb = strings.Contains(p.Version, "MariaDB")
		if p.mariadb {
			if p.install, err = lookPath("mariadb-install-db"); err != nil {
				return p, err
			}
		}
		return p, nil
	}
	return p, errors.New("no MySQL server is on PATH: install mysqld or mariadbd (Debian: apt-get install mariadb-server), " +
		"or leave this suite out: make test does")
}

func lookPath(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", name))
}

// userArgs let the server run as root, which it does only if told to.
func userArgs() []string {
	if os.Geteuid() == 0 {
		return []string{"--user=root"}
	}
	return nil
}

const initFileName = "init.sql"

// smallLog keeps the data of many servers small.
const smallLog = "--innodb-log-file-size=8M"

// makeData makes a server's data, and returns a file in dir with the statements of its first start: what the image does
// with MYSQL_ROOT_PASSWORD.
func (p Program) makeData(ctx context.Context, data, dir, password string) (initFile string, err error) {
	command := exec.CommandContext(ctx, p.path, append([]string{
		"--no-defaults", "--initialize-insecure", "--datadir=" + data,
	}, userArgs()...)...)
	if p.mariadb {
		command = exec.CommandContext(ctx, p.install, append([]string{
			"--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", smallLog, "--datadir=" + data,
		}, userArgs()...)...)
	}
	// A server that starts removes the temporary tables that it finds: in a common directory also those of another.
	command.Env = append(os.Environ(), "TMPDIR="+dir)
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("could not make the data: %w: %s", err, output)
	}
	quoted := "'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(password) + "'"
	initFile = filepath.Join(dir, initFileName)
	return initFile, os.WriteFile(initFile, []byte(strings.Join([]string{
		"SET sql_log_bin = 0;",
		"ALTER USER 'root'@'localhost' IDENTIFIED BY " + quoted + ";",
		"CREATE USER IF NOT EXISTS 'root'@'%' IDENTIFIED BY " + quoted + ";",
		"GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;",
	}, "\n")+"\n"), 0o600)
}

// args are those of the machine, beside those of the pod. The option file comes first, as servers want it.
func (p Program) args(optionFile, data, dir, address string) []string {
	args := append([]string{"--defaults-file=" + optionFile}, userArgs()...)
	args = append(args,
		"--bind-address="+address,
		"--socket="+filepath.Join(dir, "s"),
		"--pid-file="+filepath.Join(dir, "pid"),
		"--tmpdir="+dir,
		// The disk of the machine is not what is tested.
		"--innodb-flush-log-at-trx-commit=2",
	)
	if p.mariadb {
		// What MySQL does by default.
		return append(args, smallLog, "--log-bin="+filepath.Join(data, "binlog"), "--log-slave-updates=ON")
	}
	return append(args, "--mysqlx=OFF")
}

// optionFile is the one of the container, for this machine and this server.
func (p Program) optionFile(content string, paths map[string]string) string {
	content = inside(content, paths)
	if p.mariadb {
		for _, option := range []string{"gtid_mode", "enforce_gtid_consistency"} {
			content = strings.ReplaceAll(content, "\n"+option+" ", "\nloose_"+option+" ")
		}
	}
	return content
}

// MariaDB says whether the program is MariaDB's.
func (p Program) MariaDB() bool { return p.mariadb }
