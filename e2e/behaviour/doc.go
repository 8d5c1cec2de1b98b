// Package behaviour is what the two forms do, row by row, proved against a running cluster.
//
// The official comparison of custom resources and aggregated APIs is prose: it cannot be run, so it ages, and it is
// silent on most of what surprises people. Here each line of such a comparison is a Row: data that says why a user
// cares and what is expected of each form, and one probe that looks. The probe is the same code for both forms and
// returns what it observed in a few stable words; nothing in this package asks which form it talks to. The Ginkgo suite
// in e2e, `duet matrix` and the report all run the same rows.
//
// To add a row: write its probe beside the others of its kind, add the Row to the slice at the top of that file, run
// the suite, and read what the run observed. Where it contradicts the expectation, the run wins: correct the row, and
// say so in Why or Source if a document claims otherwise.
package behaviour
