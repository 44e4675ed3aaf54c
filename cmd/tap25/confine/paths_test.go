package confine

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReadablePath_OutlivesARename(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path, link := filepath.Join(dir, "sub", "a"), filepath.Join(dir, "link")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{path: filepath.Dir(path), link: filepath.Dir(path),
		"/etc/passwd": "/etc/passwd", "/no/such": "/no/such"} {
		if got := ReadablePath(given); got != want {
			t.Errorf("%s: %s, want %s", given, got, want)
		}
	}
}
