// Package openapi holds the OpenAPI definitions of every type that the aggregated server serves, generated from the
// Go types. Definition names are the friendly names of the types (com.example.mysql.v1.MySQLInstance), the same ones
// that a CustomResourceDefinition publishes, so that a client cannot tell the forms apart by them.
package openapi
