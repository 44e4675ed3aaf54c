package evidence

import (
	"crypto/ed25519"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestOpenKey_AllWhoStartAtOnceGetOneKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), KeyFile)
	keys, makers := make([]*Key, 8), make([]bool, 8)
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() {
			var err error
			if keys[i], makers[i], err = OpenKey(path); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	made := 0
	for i, k := range keys {
		if k == nil || k.Fingerprint() != keys[0].Fingerprint() {
			t.Fatal("two have another key")
		}
		if makers[i] {
			made++
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 || made != 1 {
		t.Errorf("%v, %v, made %d times", info.Mode(), err, made)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
	signature := keys[1].Sign([]byte("text"))
	if public, err := LoadPublicKey(path); err != nil || !ed25519.Verify(public, []byte("text"), signature) {
		t.Errorf("the key is another one when it is read: %v", err)
	}
}

func TestLoadKey_RefusesWhatOthersCouldReadAndWhatIsNoKey(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, KeyFile)
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o660, 0o644} {
		if err := os.WriteFile(path, []byte(testKey), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, _, err := OpenKey(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	public := string(PublicPEM(openTestKey(t).Public()))
	for _, text := range []string{"", "text", testKey[:60], public, testKey + "more",
		strings.Replace(testKey, "MC4CAQ", "MC4CAA", 1)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if k, _, err := OpenKey(path); err == nil {
			t.Errorf("%q: key %s", text, k.Fingerprint())
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Error("a file that is no key was replaced")
		}
	}
	if _, err := ParsePublicKey([]byte(public), "it"); err != nil {
		t.Error(err)
	}
	if _, err := LoadKey(dir); err == nil {
		t.Error("a directory is a key")
	}
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add([]byte(testKey))
	f.Add(PublicPEM(newKey(ed25519.NewKeyFromSeed(make([]byte, 32))).Public()))
	f.Fuzz(func(t *testing.T, text []byte) {
		if key, err := ParsePublicKey(text, "it"); err == nil && len(key) != ed25519.PublicKeySize {
			t.Errorf("a key of %d octets", len(key))
		}
	})
}

func TestLoadKey_WaitsForNoPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), KeyFile)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenKey(path); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Error(err)
	}
}
