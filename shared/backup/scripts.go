package backup

import (
	"embed"
	"fmt"
)

// Files among Scripts.
const (
	// Script takes a backup.
	Script = "backup.sh"
	// RestoreScript puts one back.
	RestoreScript = "restore.sh"
)

//go:embed *.sh
var scripts embed.FS

// Scripts are the files, by name, that belong into one directory. Each says at its beginning what it needs. The map is
// the caller's.
func Scripts() map[string]string {
	entries, err := scripts.ReadDir(".")
	if err != nil {
		panic(fmt.Sprintf("could not list the embedded scripts: %v", err))
	}
	files := map[string]string{}
	for _, entry := range entries {
		content, err := scripts.ReadFile(entry.Name())
		if err != nil {
			panic(fmt.Sprintf("could not read the embedded script %s: %v", entry.Name(), err))
		}
		files[entry.Name()] = string(content)
	}
	return files
}
