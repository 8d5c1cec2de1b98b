package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/duet-api/duet/shared/durable"
)

// Paths are the files of a report.
type Paths struct {
	HTML, Markdown, JSON string
	// JUnit has the behaviour checks; there is none without them.
	JUnit string
	// BenchText, CSV and PerfDash have the benchmark for other programs: benchstat, a spreadsheet, perf-dash. There are
	// none without one.
	BenchText, CSV, PerfDash string
}

// PathsIn are the paths of the files that Write makes in a directory.
func PathsIn(dir string) Paths {
	return Paths{
		HTML:      filepath.Join(dir, "report.html"),
		Markdown:  filepath.Join(dir, "report.md"),
		JSON:      filepath.Join(dir, "results.json"),
		JUnit:     filepath.Join(dir, "junit.xml"),
		BenchText: filepath.Join(dir, "bench.txt"),
		CSV:       filepath.Join(dir, "results.csv"),
		PerfDash:  filepath.Join(dir, "perfdash.json"),
	}
}

// Save writes results.json in a directory, which it creates if needed: what every other file of a report can be made of.
func Save(dir string, run Run) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("could not make the directory of the report: %w", err)
	}
	return write(PathsIn(dir).JSON, run, WriteJSON)
}

// Write makes the files of a report in a directory, which it creates if needed. Files of an earlier report are replaced.
func Write(dir string, run Run) error {
	if err := Save(dir, run); err != nil { // first: if a page cannot be made, the data is safe
		return err
	}
	paths, checked, measured := PathsIn(dir), len(run.Matrix) > 0, run.Bench != nil
	for _, part := range []struct {
		path  string
		has   bool
		write func(io.Writer, Run) error
	}{
		{paths.Markdown, true, WriteMarkdown},
		{paths.HTML, true, WriteHTML},
		{paths.JUnit, checked, WriteJUnit},
		{paths.BenchText, measured, WriteBenchText},
		{paths.CSV, measured, WriteCSV},
		{paths.PerfDash, measured, WritePerfDash},
	} {
		if !part.has {
			continue
		}
		if err := write(part.path, run, part.write); err != nil {
			return err
		}
	}
	return nil
}

// write one file, whole or not at all.
func write(path string, run Run, content func(io.Writer, Run) error) error {
	var buffer bytes.Buffer
	if err := content(&buffer, run); err != nil {
		return fmt.Errorf("could not write %s: %w", path, err)
	}
	if err := durable.WriteFile(path, buffer.Bytes(), 0o644); err != nil {
		return fmt.Errorf("could not write the report: %w", err)
	}
	return nil
}

// WriteJSON writes results.json.
func WriteJSON(w io.Writer, run Run) error {
	run.Schema = Schema
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", " ")
	return encoder.Encode(run)
}

// ReadJSON reads results.json. A file of another schema is refused: its numbers may mean something else.
func ReadJSON(r io.Reader) (Run, error) {
	var run Run
	if err := json.NewDecoder(r).Decode(&run); err != nil {
		return Run{}, fmt.Errorf("could not read results: %w", err)
	}
	if run.Schema != Schema {
		return Run{}, fmt.Errorf("could not read results: their schema is %q, and this program reads %q", run.Schema, Schema)
	}
	return run, nil
}
