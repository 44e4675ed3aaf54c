package disclose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
)

// authority is a time-stamping authority: its root certificate, and a server.
type authority struct {
	root *x509.Certificate
	url  string
	// change, if it is set, changes a stamp before it is signed
	change func(*timestamp.Timestamp)
}

func certificate(t testing.TB, name string, parent *x509.Certificate, by *ecdsa.PrivateKey, usage []x509.ExtKeyUsage) (
	*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
		IsCA: parent == nil, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: usage}
	if parent == nil {
		parent, by = form, key
	}
	der, err := x509.CreateCertificate(rand.Reader, form, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}

func newAuthority(t testing.TB, usage x509.ExtKeyUsage) *authority {
	t.Helper()
	a := &authority{}
	root, rootKey := certificate(t, "root", nil, nil, nil)
	signer, key := certificate(t, "time", root, rootKey, []x509.ExtKeyUsage{usage})
	a.root = root
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		request, err := timestamp.ParseRequest(text)
		if err != nil || r.Header.Get("Content-Type") != "application/timestamp-query" {
			http.Error(w, "no request", http.StatusBadRequest)
			return
		}
		stamp := timestamp.Timestamp{HashAlgorithm: request.HashAlgorithm, HashedMessage: request.HashedMessage,
			Time: time.Now(), Nonce: request.Nonce, Policy: asn1.ObjectIdentifier{1, 2, 3}, AddTSACertificate: true}
		if a.change != nil {
			a.change(&stamp)
		}
		response, err := stamp.CreateResponseWithOpts(signer, key, crypto.SHA256)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Write(response)
	}))
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

// stamped discloses in a new directory, stamped by an authority.
func stamped(t testing.TB, a *authority) (dir string, err error) {
	t.Helper()
	s := makeMaterial(t, 3).source(t)
	s.Manifest.Made.StampedBy = &a.url
	dir = filepath.Join(t.TempDir(), "disclosure")
	_, err = Write(t.Context(), dir, s)
	return dir, err
}

func TestStamp_IsCheckedOffline(t *testing.T) {
	a := newAuthority(t, x509.ExtKeyUsageTimeStamping)
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
	}{"the authority": {pool([]*x509.Certificate{a.root}), true},
		"another": {pool([]*x509.Certificate{newAuthority(t, x509.ExtKeyUsageTimeStamping).root}), false}} {
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
	a := newAuthority(t, x509.ExtKeyUsageTimeStamping)
	report, err := Verify(t.Context(), dir, Trust{Version: testVersion, Stamps: pool([]*x509.Certificate{a.root})})
	if err != nil || !report.names(manifestFile, 0) {
		t.Errorf("%v, %v", report.Differences, err)
	}
}

func TestStamp_ACertificateForOtherUsesIsNotAnAuthoritys(t *testing.T) {
	a := newAuthority(t, x509.ExtKeyUsageServerAuth)
	dir, err := stamped(t, a)
	if err != nil {
		t.Fatal(err)
	}
	report, err := Verify(t.Context(), dir, Trust{Version: testVersion, Stamps: pool([]*x509.Certificate{a.root})})
	if err != nil || !report.names(stampFile, 0) {
		t.Errorf("%v, %v", report.Differences, err)
	}
}

func TestStamp_AnAuthorityThatIsNone(t *testing.T) {
	a := newAuthority(t, x509.ExtKeyUsageTimeStamping)
	for name, change := range map[string]func(*timestamp.Timestamp){
		"another hash":   func(s *timestamp.Timestamp) { s.HashedMessage = make([]byte, 32) },
		"another nonce":  func(s *timestamp.Timestamp) { s.Nonce = big.NewInt(1) },
		"no nonce":       func(s *timestamp.Timestamp) { s.Nonce = nil },
		"no certificate": func(s *timestamp.Timestamp) { s.AddTSACertificate = false },
	} {
		a.change = change
		if _, err := stamped(t, a); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	answers := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 1<<20)) })
	server := httptest.NewServer(answers)
	defer server.Close()
	for _, url := range []string{server.URL, "http://127.0.0.1:1", "mailto:a@a.example", "%"} {
		if dir, err := stamped(t, &authority{url: url}); err == nil {
			t.Errorf("%s: no error", url)
		} else if left, _ := filepath.Glob(filepath.Dir(dir) + "/*"); len(left) > 0 {
			t.Error("something is left")
		}
	}
}

func FuzzStamp(f *testing.F) {
	dir, err := stamped(f, newAuthority(f, x509.ExtKeyUsageTimeStamping))
	if err != nil {
		f.Fatal(err)
	}
	manifest := read(f, dir, manifestFile)
	f.Add(read(f, dir, stampFile))
	f.Fuzz(func(t *testing.T, response []byte) {
		if len(response) > maxStamp {
			return
		}
		if s, err := readStamp(response, manifest); err == nil {
			s.check(x509.NewCertPool())
		}
	})
}
