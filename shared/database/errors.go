package database

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Numbers of errors that decide what is done next. MySQL and MariaDB share them where both are named.
const (
	// CodeAccessDenied: the user or the password is wrong.
	CodeAccessDenied = 1045
	// CodeSourceLog is what a source answers that no longer has what a replica needs (and for other trouble with its
	// binary log): MariaDB's number, and MySQL's before 8.0.
	CodeSourceLog = 1236
	// CodeSourceLogMySQL is the same of MySQL since 8.0.
	CodeSourceLogMySQL = 13114

	codeParse           = 1064
	codeUnknownVariable = 1193
	codeNoBinaryLog     = 1381
	// codeFunctionExists is what a server answers that is to install a plugin which it has.
	codeFunctionExists = 1125
	// codeNotSupervised is what MySQL answers at the end of a clone if nothing restarts it at once: it has ended, and the
	// kubelet starts it.
	codeNotSupervised = 3707
)

// IsAccessDenied says whether a server refused the user or the password.
func IsAccessDenied(err error) bool { return hasCode(err, CodeAccessDenied) }

// IsUnknownVariable says whether a server does not have the variable that was to be set.
func IsUnknownVariable(err error) bool { return hasCode(err, codeUnknownVariable) }

func hasCode(err error, codes ...uint16) bool {
	var answer *mysql.MySQLError
	if !errors.As(err, &answer) {
		return false
	}
	for _, code := range codes {
		if answer.Number == code {
			return true
		}
	}
	return false
}

// withoutSecrets keeps passwords out of an error: a server repeats a part of the statement that it could not parse.
func withoutSecrets(err error, secrets ...string) error {
	var answer *mysql.MySQLError
	if !errors.As(err, &answer) {
		return err
	}
	clean := *answer
	if answer.Number == codeParse {
		clean.Message = "the server does not understand the statement"
	}
	for _, secret := range secrets {
		if secret != "" {
			clean.Message = strings.ReplaceAll(clean.Message, secret, "(password)")
		}
	}
	return &clean
}

// failed says what could not be done. The error keeps its number for those who ask.
func failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("could not %s: %w", what, err)
}
