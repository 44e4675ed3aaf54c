// Command tap25 records the envelope of every mail that passes a mirror port, or that capture files hold.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"tap25/cmd/tap25/confine"
	"tap25/cmd/tap25/replay"
	"tap25/cmd/tap25/terminal"
	"tap25/store/stream"
)

// The exit statuses.
const (
	statusDone   = 0
	statusFailed = 1
	statusUsage  = 2

	statusInterrupted = 128 + int(syscall.SIGINT) // by SIGTERM too
)

func main() { os.Exit(process()) }

// process applies the settings of the process and runs tap25; main only exits.
func process() (status int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(40) // trades CPU for memory, which the appliance needs for other things
	}
	passCredential()
	// memory holds the database's password; commands whose memory holds content call it again and check the error
	_ = confine.ForbidCores()
	// If the reader of standard output goes away, the writer gets EPIPE and ends in good order.
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-signals
		signal.Stop(signals) // before anyone learns of the first Ctrl-C: a second one ends the process at once
		cancel(fmt.Errorf("%w by a signal: %v", context.Canceled, s))
	}()
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// run executes one command line. It changes no setting of the process, so that tests can call it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (status int) {
	late := stream.GraceAfter(ctx)
	stdout, stderr = terminal.Interruptible(late, terminal.Wrap(stdout)),
		terminal.Interruptible(late, terminal.Wrap(stderr))
	for _, w := range []io.Writer{stdout, stderr} {
		if t, ok := w.(*terminal.Writer); ok {
			defer t.End()
		}
	}
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root, refusePassword(args)
	if err == nil {
		cmd, err = root.ExecuteContextC(ctx)
	}
	if err == nil {
		return statusDone
	}
	if _, reported := errors.AsType[*reportedError](err); !reported && !unread(err) {
		printError(stderr, fmt.Sprintf("tap25: %v\n", err))
	}
	if _, mistake := errors.AsType[*usageError](err); mistake {
		printError(stderr, fmt.Sprintf("See '%s --help'.\n", cmd.CommandPath()))
		return statusUsage
	}
	if errors.Is(err, replay.ErrInterrupted) {
		return statusInterrupted
	}
	return statusFailed
}

// unread reports whether an error is only that whoever reads standard output has enough, as in tap25 status | head -1.
// The status stays that of a failure, since the command did not do all it was to do.
func unread(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if p, ok := err.(*fs.PathError); ok {
			return p.Op == "write" && p.Path == os.Stdout.Name() && p.Err == syscall.EPIPE
		}
	}
	return false
}

// printError writes the reason of a failure, as an error if it goes to systemd's journal.
func printError(stderr io.Writer, text string) {
	line := []byte(text)
	if terminal.IsJournal(stderr) {
		const err = 3 // syslog(3)
		line = terminal.Prioritized(err, line)
	}
	_, _ = stderr.Write(line)
}

const rootLong = `
tap25 watches SMTP on TCP port 25 and records the envelope of every mail: sender, recipients, time, the IP addresses
of both hosts, and the server's replies. It records no byte of a message and no credential.`

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "tap25",
		Short:         "Record the envelope of every mail that passes a mirror port",
		Long:          rootLong[1:],
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:       version(),
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return refuseEmpty(cmd.Flags())
		},
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(explainFlag)
	root.AddCommand(sniffCommand(), statusCommand(), doctorCommand(), replayCommand(), explainCommand(), scopeCommand(),
		dbCommand(), holdCommand(), warrantCommand(), discloseCommand(), verifyCommand(), exportCommand(),
		importCommand(), readRowsCommand(), spoolCommand(), versionCommand(), manCommand())
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.Args = usageArgs(cobra.NoArgs)
		completion.RunE = func(*cobra.Command, []string) error { // without it, cobra prints the help and exits with 0
			return &usageError{errors.New("no shell given: name bash, zsh, fish or powershell")}
		}
	}
	completeValues(root)
	return root
}

// usageError is a mistake in the command line, the environment or the configuration.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usage marks an error as such a mistake.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err}
}

// usageArgs marks the errors of an argument check as mistakes in the command line, and says what the command takes.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		switch {
		case err == nil:
			return nil
		case len(args) > 0 && cmd.HasAvailableSubCommands():
			return unknownCommand(cmd, args[0])
		case strings.Contains(err.Error(), "arg(s)") && len(args) == 0: // of cobra's checks of their number
			return &usageError{fmt.Errorf("an argument is missing: %s", cmd.UseLine())}
		case strings.Contains(err.Error(), "arg(s)"):
			return &usageError{fmt.Errorf("too many arguments, the last is %q: %s", args[len(args)-1], cmd.UseLine())}
		case strings.HasPrefix(err.Error(), "unknown command"): // of cobra.NoArgs
			return &usageError{fmt.Errorf("%q is too much: %s takes no arguments but flags", args[0], cmd.CommandPath())}
		}
		return &usageError{err}
	}
}
