// Package capturetest helps tests that need more of the machine than Go: root, the kernel, tools.
package capturetest

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Missing skips the test because the machine lacks a feature, or fails it if TAP25_TEST_REQUIRE names the feature. That
// variable is a list such as postgres,root,bpf,netns,mta,haproxy,dovecot,systemd,valgrind,pgbouncer,prometheus,
// chromium, without blanks: .ci/run sets it, so that nothing is skipped there. why says what to install, or how to run the test.
func Missing(t testing.TB, feature, why string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("TAP25_TEST_REQUIRE"), ","), feature) {
		t.Fatalf("%s: %s", feature, why)
	}
	t.Skipf("%s: %s", feature, why)
}
