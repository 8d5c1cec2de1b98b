package v1alpha1

import (
	"k8s.io/apimachinery/pkg/conversion"

	"github.com/duet-api/duet/shared/api/mysql"
)

func Convert_v1alpha1_MySQLInstanceSpec_To_mysql_MySQLInstanceSpec(in *MySQLInstanceSpec, out *mysql.MySQLInstanceSpec, s conversion.Scope) error {
	panic("api helper")
}
func Convert_mysql_MySQLInstanceSpec_To_v1alpha1_MySQLInstanceSpec(in *mysql.MySQLInstanceSpec, out *MySQLInstanceSpec, s conversion.Scope) error {
	panic("api helper")
}
func Convert_v1alpha1_MySQLInstanceStatus_To_mysql_MySQLInstanceStatus(in *MySQLInstanceStatus, out *mysql.MySQLInstanceStatus, s conversion.Scope) error {
	panic("api helper")
}
func Convert_mysql_MySQLInstanceStatus_To_v1alpha1_MySQLInstanceStatus(in *mysql.MySQLInstanceStatus, out *MySQLInstanceStatus, s conversion.Scope) error {
	panic("api helper")
}
