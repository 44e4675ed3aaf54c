// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLoad_DoesNotBlameTheLimitOfLockedMemory gives what the library says on each EPERM. The kernels that tap25 needs do
// not count BPF memory against RLIMIT_MEMLOCK any more.
func TestLoad_DoesNotBlameTheLimitOfLockedMemory(t *testing.T) {
	err := explainLoad(fmt.Errorf("map create: %w (MEMLOCK may be too low, consider rlimit.RemoveMemlock)", unix.EPERM))
	if strings.Contains(err.Error(), "MEMLOCK") || !errors.Is(err, unix.EPERM) {
		t.Error(err)
	}
}
