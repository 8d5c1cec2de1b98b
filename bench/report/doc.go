// Package report turns what a run found out into what people read: one HTML page that needs nothing beside it, a
// Markdown page for a pull request, results.json for programs, and a few lines for the terminal. It also owns the
// format of results.json, because everything else is made from that: a report can be written again from its file.
//
// The charts are drawn here, as SVG with classes instead of colours, and not by a plotting library: the page's style
// sheet then gives them its fonts and its dark and print colours, their text stays text for a screen reader, and what
// the benchmark needs (intervals beside a noise band, percentiles by nines) no library offers ready-made.
package report
