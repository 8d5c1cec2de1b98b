package database

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// gtid of MariaDB: within a domain, a server numbers what it writes.
type gtid struct {
	domain, server uint32
	sequence       uint64
}

func (g gtid) String() string { return fmt.Sprintf("%d-%d-%d", g.domain, g.server, g.sequence) }

// stream is what a server wrote to a domain.
type stream struct{ domain, server uint32 }

// parseGTIDs reads a list of MariaDB's GTIDs, and keeps the last one of each stream: what comes before it is included.
func parseGTIDs(text string) (map[stream]uint64, error) {
	last := map[stream]uint64{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		parts := strings.Split(item, "-")
		if len(parts) != 3 {
			return nil, fmt.Errorf("could not read %q as a GTID of MariaDB", item)
		}
		domain, err1 := strconv.ParseUint(parts[0], 10, 32)
		server, err2 := strconv.ParseUint(parts[1], 10, 32)
		sequence, err3 := strconv.ParseUint(parts[2], 10, 64)
		if err := cmp.Or(err1, err2, err3); err != nil {
			return nil, fmt.Errorf("could not read %q as a GTID of MariaDB: %w", item, err)
		}
		s := stream{uint32(domain), uint32(server)}
		last[s] = max(last[s], sequence)
	}
	return last, nil
}

// missingGTIDs are the last ones of the streams that other has and own has not, or not as far.
func missingGTIDs(own, other string) (string, error) {
	has, err := parseGTIDs(own)
	if err != nil {
		return "", err
	}
	wants, err := parseGTIDs(other)
	if err != nil {
		return "", err
	}
	var missing []gtid
	for s, sequence := range wants {
		if has[s] < sequence {
			missing = append(missing, gtid{s.domain, s.server, sequence})
		}
	}
	slices.SortFunc(missing, func(a, b gtid) int {
		return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(a.server, b.server))
	})
	texts := make([]string, len(missing))
	for i, g := range missing {
		texts[i] = g.String()
	}
	return strings.Join(texts, ","), nil
}
