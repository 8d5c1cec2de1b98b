// Command duet-controller runs the controller of MySQLInstance. It talks to mysql.example.com/v1 and to the core APIs,
// and does not know which form serves the former: comparing the forms means running this one program with both.
package main

import (
	"fmt"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	if err := newCommand(run).ExecuteContext(ctrl.SetupSignalHandler()); err != nil {
		fmt.Fprintf(os.Stderr, "duet-controller: %v\n", err)
		os.Exit(1)
	}
}
