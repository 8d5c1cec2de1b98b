package measure

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Machine is where a run took place. What could not be found out is empty or zero: a report says so and goes on.
type Machine struct {
	// OS is the name of the operating system's release, Kernel that of its kernel, Arch the processor architecture.
	OS     string `json:"os"`
	Kernel string `json:"kernel"`
	Arch   string `json:"arch"`
	// CPU is the processor's model name; Cores is how many of its threads this process may use.
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"`
	// MemoryBytes is the installed memory.
	MemoryBytes uint64 `json:"memoryBytes"`
	// Load1 is the load average of the last minute when the run began: a busy machine widens every interval.
	Load1 float64 `json:"load1"`
	// Go is the version of the toolchain that built this program.
	Go string `json:"go"`
}

// ThisMachine describes the machine that the process runs on.
func ThisMachine() Machine {
	m := Machine{OS: osRelease("/etc/os-release"), Arch: runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version()}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Sysname[:]) + " " + unix.ByteSliceToString(name.Release[:])
	}
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return m
	}
	if cpus, err := proc.CPUInfo(); err == nil && len(cpus) > 0 {
		m.CPU = cpus[0].ModelName
	}
	if memory, err := proc.Meminfo(); err == nil && memory.MemTotalBytes != nil {
		m.MemoryBytes = *memory.MemTotalBytes
	}
	if load, err := proc.LoadAvg(); err == nil {
		m.Load1 = load.Load1
	}
	return m
}

// osRelease is PRETTY_NAME of an os-release(5) file, or the name that Go has for the system.
func osRelease(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return runtime.GOOS
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), "PRETTY_NAME="); found {
			if plain, err := strconv.Unquote(value); err == nil {
				return plain
			}
			return value
		}
	}
	return runtime.GOOS
}
