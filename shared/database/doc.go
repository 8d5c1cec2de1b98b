// Package database speaks SQL to one MySQL or MariaDB server on behalf of those who look after it.
//
// It exists so that nobody else has to know that the two products, and the releases of MySQL among themselves, say the
// same things in different words: SHOW REPLICA STATUS and SHOW SLAVE STATUS, SOURCE_AUTO_POSITION and MASTER_USE_GTID,
// SET PERSIST and SET GLOBAL. Which words a server understands is asked of the server itself (flavor.go); what is said
// in them is in statements.go, and the tests show each statement for each flavor.
//
// Three rules hold for everything in here:
//
//   - What is done is done to this server alone. Every session has sql_log_bin = 0, so that no account, password or
//     repair travels to another server through the binary log, or leaves a transaction behind that only one server has.
//   - Every call ends: with its context, or after the timeouts of the connection (dial.go).
//   - A password is an argument of a statement and never a part of its text, and no error repeats one (errors.go).
package database
