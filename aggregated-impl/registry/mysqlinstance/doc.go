// Package mysqlinstance is what the generic registry cannot know about MySQLInstance: what a create and an update may
// change, which fields select, what a table shows. Everything a CustomResourceDefinition gets from its declaration is
// code here, and it is written to give the same answers; the rules themselves are not here but in
// shared/api/mysql/validation, which both forms call.
package mysqlinstance
