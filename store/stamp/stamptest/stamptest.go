// Package stamptest has a time-stamping authority (RFC 3161) for tests.
package stamptest

import (
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
	"testing"
	"time"

	"github.com/digitorus/timestamp"
)

// Authority is a time-stamping authority: its root certificate, and a server.
type Authority struct {
	Root *x509.Certificate
	URL  string
	// Change, if it is set, changes a stamp before it is signed
	Change func(*timestamp.Timestamp)
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

// New starts an authority, whose certificate is for that usage: x509.ExtKeyUsageTimeStamping, if it is to be believed.
func New(t testing.TB, usage x509.ExtKeyUsage) *Authority {
	t.Helper()
	a := &Authority{}
	root, rootKey := certificate(t, "root", nil, nil, nil)
	signer, key := certificate(t, "time", root, rootKey, []x509.ExtKeyUsage{usage})
	a.Root = root
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		request, err := timestamp.ParseRequest(text)
		if err != nil || r.Header.Get("Content-Type") != "application/timestamp-query" {
			http.Error(w, "no request", http.StatusBadRequest)
			return
		}
		stamp := timestamp.Timestamp{HashAlgorithm: request.HashAlgorithm, HashedMessage: request.HashedMessage,
			Time: time.Now(), Nonce: request.Nonce, Policy: asn1.ObjectIdentifier{1, 2, 3}, AddTSACertificate: true}
		if a.Change != nil {
			a.Change(&stamp)
		}
		response, err := stamp.CreateResponseWithOpts(signer, key, crypto.SHA256)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Write(response)
	}))
	t.Cleanup(server.Close)
	a.URL = server.URL
	return a
}

// Pool returns who has to be believed.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.Root)
	return p
}
