package process

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
)

// logHeader begins the line that separates one start of a process from the next in its log.
const logHeader = "--- duet: started at "

// tailWindow is how much of the end of a log is looked at: more than any tail that a person wants to read.
const tailWindow = 64 << 10

// LogTail returns up to lines of what the last start of a process wrote to its log, for an error message.
func LogTail(file string, lines int) ([]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("could not read the log: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("could not read the log: %w", err)
	}
	data, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-tailWindow), tailWindow))
	if err != nil {
		return nil, fmt.Errorf("could not read the log: %w", err)
	}
	if i := bytes.LastIndex(data, []byte(logHeader)); i >= 0 {
		_, rest, _ := bytes.Cut(data[i:], []byte("\n"))
		data = rest
	}
	text := strings.TrimRight(string(data), "\n")
	if text == "" {
		return nil, nil
	}
	all := strings.Split(text, "\n")
	return all[max(0, len(all)-lines):], nil
}
