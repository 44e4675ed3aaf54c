package capturetest

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMissing_NotesWhatIsSkipped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "skips")
	t.Setenv("TAP25_TEST_SKIPS", path)
	t.Setenv("TAP25_TEST_REQUIRE", "other")
	for range 2 {
		t.Run("skipped", func(t *testing.T) { Missing(t, "feature", "a line\nand another") })
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "feature: a line and another\nfeature: a line and another\n" {
		t.Errorf("%q, %v", got, err)
	}
}
