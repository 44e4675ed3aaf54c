// Package capturetest helps tests that need more of the machine than Go: root, the kernel, tools.
package capturetest

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

// Missing skips the test because the machine lacks a feature, or fails it if TAP25_TEST_REQUIRE names the feature. That
// variable is a list without blanks, such as postgres,root,bpf,netns,mta,haproxy,dovecot,systemd,valgrind,pgbouncer:
// .ci/run sets it, so that nothing is skipped there. why says what to install, or how to run the test.
func Missing(t testing.TB, feature, why string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("TAP25_TEST_REQUIRE"), ","), feature) {
		t.Fatalf("%s: %s", feature, why)
	}
	Skip(t, feature+": "+why)
}

// Skip skips the test, and adds a line with the reason to the file that TAP25_TEST_SKIPS names, if any: 'make test'
// shows the lines at its end, since go test shows no skipped test without -v. For what a machine lacks use [Missing].
func Skip(t testing.TB, why string) {
	t.Helper()
	if path := os.Getenv("TAP25_TEST_SKIPS"); path != "" {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
		if err == nil {
			_, err = f.WriteString(strings.ReplaceAll(why, "\n", " ") + "\n") // one write: other packages write too
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Errorf("note that the test is skipped: %v", err)
		}
	}
	t.Skip(why)
}
