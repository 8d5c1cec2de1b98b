// +k8s:deepcopy-gen=package
// +groupName=mysql.example.com

// Package mysql is the hub of the MySQLInstance API: the one shape that defaults, validation, conversion and
// admission are written against. Nobody sends or stores it. Its types are memory-identical to v1, so the conversion
// between the two is a pointer cast.
package mysql
