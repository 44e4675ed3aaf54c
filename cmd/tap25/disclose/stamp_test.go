package disclose

import (
	"bytes"
	"crypto/x509"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"tap25/store/stamp"
	"tap25/store/stamp/stamptest"

	"github.com/digitorus/timestamp"
)

// stamped discloses in a new directory, stamped by an authority.
func stamped(t testing.TB, a *stamptest.Authority) (dir string, err error) {
	t.Helper()
	s := makeMaterial(t, 3).source(t)
	s.Manifest.Made.StampedBy = &a.URL
	dir = filepath.Join(t.TempDir(), "disclosure")
	_, err = Write(t.Context(), dir, s)
	return dir, err
}

func TestStamp_IsCheckedOffline(t *testing.T) {
	a := stamptest.New(t, x509.ExtKeyUsageTimeStamping)
	begin := time.Now().Add(-time.Second)
	dir, err := stamped(t, a)
	if err != nil {
		t.Fatal(err)
	}
	report := verify(t, dir)
	if !report.OK() || report.StampedAt == nil || report.StampedAt.Before(begin) || len(report.Notes) != 1 {
		t.Errorf("%v, %v, %v", report.Differences, report.StampedAt, report.Notes)
	}
	for name, c := range map[string]struct {
		roots *x509.CertPool
		ok    bool
	}{"the authority": {a.Pool(), true},
		"another": {stamptest.New(t, x509.ExtKeyUsageTimeStamping).Pool(), false}} {
		report, err := Verify(t.Context(), dir, Trust{Version: testVersion, Stamps: c.roots})
		if err != nil || report.OK() != c.ok || len(report.Notes) > 0 {
			t.Errorf("%s: %v, %v, %v", name, report.Differences, report.Notes, err)
		}
	}
	other, err := stamped(t, a)
	if err != nil {
		t.Fatal(err)
	}
	whole := read(t, dir, stampFile)
	put(t, dir, stampFile, read(t, other, stampFile))
	if report := verify(t, dir); !report.names(stampFile, 0) {
		t.Error("the stamp of another manifest is taken")
	}
	// Some octets are of the answer's status and of its certificates' order, which nothing signs: what is changed there
	// changes nothing that is believed.
	named := 0
	for at := 0; at < len(whole); at += 5 {
		changed := bytes.Clone(whole)
		changed[at] ^= 1
		put(t, dir, stampFile, changed)
		if report := verify(t, dir); report.names(stampFile, 0) {
			named++
		} else if report.StampedAt == nil || !bytes.Contains(changed, []byte("time")) {
			t.Errorf("octet %d", at)
		}
	}
	if named < len(whole)/5*9/10 {
		t.Errorf("of %d octets, %d are named", len(whole)/5, named)
	}
}

func TestStamp_WithoutOneThatIsPromised(t *testing.T) {
	dir := makeMaterial(t, 3).write(t)
	a := stamptest.New(t, x509.ExtKeyUsageTimeStamping)
	report, err := Verify(t.Context(), dir, Trust{Version: testVersion, Stamps: a.Pool()})
	if err != nil || !report.names(manifestFile, 0) {
		t.Errorf("%v, %v", report.Differences, err)
	}
}

func TestStamp_ACertificateForOtherUsesIsNotAnAuthoritys(t *testing.T) {
	a := stamptest.New(t, x509.ExtKeyUsageServerAuth)
	dir, err := stamped(t, a)
	if err != nil {
		t.Fatal(err)
	}
	report, err := Verify(t.Context(), dir, Trust{Version: testVersion, Stamps: a.Pool()})
	if err != nil || !report.names(stampFile, 0) {
		t.Errorf("%v, %v", report.Differences, err)
	}
}

func TestStamp_AnAuthorityThatIsNone(t *testing.T) {
	a := stamptest.New(t, x509.ExtKeyUsageTimeStamping)
	for name, change := range map[string]func(*timestamp.Timestamp){
		"another hash":   func(s *timestamp.Timestamp) { s.HashedMessage = make([]byte, 32) },
		"another nonce":  func(s *timestamp.Timestamp) { s.Nonce = big.NewInt(1) },
		"no nonce":       func(s *timestamp.Timestamp) { s.Nonce = nil },
		"no certificate": func(s *timestamp.Timestamp) { s.AddTSACertificate = false },
	} {
		a.Change = change
		if _, err := stamped(t, a); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	answers := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 1<<20)) })
	server := httptest.NewServer(answers)
	defer server.Close()
	for _, url := range []string{server.URL, "http://127.0.0.1:1", "mailto:a@a.example", "%"} {
		if dir, err := stamped(t, &stamptest.Authority{URL: url}); err == nil {
			t.Errorf("%s: no error", url)
		} else if left, _ := filepath.Glob(filepath.Dir(dir) + "/*"); len(left) > 0 {
			t.Error("something is left")
		}
	}
}

func FuzzStamp(f *testing.F) {
	dir, err := stamped(f, stamptest.New(f, x509.ExtKeyUsageTimeStamping))
	if err != nil {
		f.Fatal(err)
	}
	manifest := read(f, dir, manifestFile)
	f.Add(read(f, dir, stampFile))
	f.Fuzz(func(t *testing.T, response []byte) {
		if len(response) > stamp.Max {
			return
		}
		if s, err := stamp.Read(response); err == nil {
			s.Of(manifest)
			s.Check(x509.NewCertPool())
		}
	})
}
