package main

import (
	"fmt"
	"io"
	"strings"

	"k8s.io/cli-runtime/pkg/printers"

	"github.com/duet-api/duet/bench/lineup"
	"github.com/duet-api/duet/bench/scenario"
)

// listBench prints what can be measured, on what, and why.
func listBench(out io.Writer) error {
	table := printers.GetNewTabWriter(out)
	fmt.Fprintln(table, "SCENARIO\tPROFILE\tOBJECTS\tBYTES\tLOOP\tTITLE AND WHY")
	for _, s := range scenario.All() {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t%s\n\t\t\t\t\t  %s\n", s.Name, s.Level, s.Population.Objects, s.Population.Bytes,
			s.Loop, s.Title, s.Why)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("could not write the scenarios: %w", err)
	}
	fmt.Fprintf(out, "\n%d scenarios, each in the profile that is named and in longer ones\n\n", len(scenario.All()))
	fmt.Fprintln(table, "ARM\tWHY, AND IN WHICH SCENARIOS, IF NOT IN ALL")
	for _, entry := range lineup.Entries() {
		fmt.Fprintf(table, "%s\t%s\n", entry.Name, entry.Why)
		if entry.Reference {
			fmt.Fprintf(table, "\t  in: %s\n", strings.Join(append([]string{"those of quick"}, entry.For...), ", "))
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("could not write the arms: %w", err)
	}
	return nil
}
