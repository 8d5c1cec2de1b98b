package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/duet-api/duet/e2e/suite"
)

// commandEnv makes this test program duet itself, so that the specs run real command lines in processes of their own.
const commandEnv = "DUET_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(commandEnv) != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestCommandLine(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	RunSpecs(t, "Command line")
}

// result of a command line.
type result struct {
	code           int
	stdout, stderr string
}

// duet runs a command line in a process of its own.
func duet(ctx context.Context, args ...string) result {
	GinkgoHelper()
	code, stdout, stderr := suite.Run(duetCommand(ctx, args...))
	return result{code, stdout, stderr}
}

func duetCommand(ctx context.Context, args ...string) *exec.Cmd {
	GinkgoHelper()
	executable, err := os.Executable()
	Expect(err).NotTo(HaveOccurred())
	cmd := exec.CommandContext(ctx, executable, args...)
	cmd.Env = append(os.Environ(), commandEnv+"=1")
	return cmd
}

// parse runs a command line in this process. It is for command lines that do not get as far as doing something.
func parse(args ...string) (code int, stdout, stderr string) {
	var out, errOut bytes.Buffer
	code = run(context.Background(), genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: &out, ErrOut: &errOut}, args)
	return code, out.String(), errOut.String()
}

func testStreams() genericiooptions.IOStreams { return genericiooptions.NewTestIOStreamsDiscard() }
