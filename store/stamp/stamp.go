// Package stamp asks a time-stamping authority (RFC 3161) for time stamps, and checks them offline.
package stamp

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/digitorus/pkcs7"
	"github.com/digitorus/timestamp"
)

// Patience is how long an authority may take.
const Patience = 30 * time.Second

// Max is the most octets of a response, and of a file of its authority's certificates. It has few certificates.
const Max = 64 << 10

// Port returns the TCP port to which [Ask] connects for an authority: its own, or that of the proxy that the
// environment names. The error says what is wrong with its URL.
func Port(address string) (uint16, error) {
	request, err := http.NewRequest(http.MethodPost, address, nil)
	if err != nil {
		return 0, errors.New("the authority's URL cannot be parsed")
	}
	to := request.URL
	if to.Scheme != "http" && to.Scheme != "https" || to.Host == "" {
		return 0, errors.New("the authority's URL must begin with http:// or https:// and name a host")
	}
	if proxy, err := http.ProxyFromEnvironment(request); err == nil && proxy != nil {
		to = proxy
	}
	number, err := strconv.ParseUint(cmp.Or(to.Port(), map[string]string{"http": "80", "https": "443"}[to.Scheme]), 10, 16)
	if err != nil {
		return 0, errors.New("the authority's URL has no port that can be connected to")
	}
	return uint16(number), nil
}

// Ask has a time-stamping authority confirm that a text exists now, and returns its response. The authority gets a hash
// and nothing else.
func Ask(ctx context.Context, url string, text []byte) ([]byte, error) {
	nonce, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		return nil, err
	}
	query, err := timestamp.CreateRequest(bytes.NewReader(text), &timestamp.RequestOptions{Hash: crypto.SHA256,
		Certificates: true, Nonce: nonce})
	if err != nil {
		return nil, fmt.Errorf("ask for a time stamp: %w", err)
	}
	ctx, stop := context.WithTimeout(ctx, Patience)
	defer stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(query))
	if err != nil {
		return nil, fmt.Errorf("ask for a time stamp: %w", err)
	}
	request.Header.Set("Content-Type", "application/timestamp-query")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask for a time stamp: %w", err)
	}
	defer answer.Body.Close()
	response, err := io.ReadAll(io.LimitReader(answer.Body, Max))
	if err != nil {
		return nil, fmt.Errorf("read the time stamp: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask for a time stamp: the authority answers %s", answer.Status)
	}
	stamp, err := Read(response)
	if err == nil && !stamp.Of(text) {
		err = errors.New("it is of something else")
	}
	if err == nil && (stamp.nonce == nil || stamp.nonce.Cmp(nonce) != 0) {
		err = errors.New("the authority answers another request")
	}
	if err != nil {
		return nil, fmt.Errorf("read the time stamp: %w", err)
	}
	return response, nil
}

// Stamp is a time stamp whose signature fits the certificate in it.
type Stamp struct {
	Time   time.Time
	Hash   [sha256.Size]byte // of the text
	nonce  *big.Int
	token  *pkcs7.PKCS7
	signer *x509.Certificate
}

// Read reads the response of an authority, and checks that its signature fits. Whose certificate that is,
// [Stamp.Check] checks.
func Read(response []byte) (*Stamp, error) {
	parsed, err := timestamp.ParseResponse(response)
	if err != nil {
		return nil, errors.New("is not a time stamp that is granted, or its signature does not fit")
	}
	token, err := pkcs7.Parse(parsed.RawToken)
	if err != nil {
		return nil, errors.New("is not a time stamp")
	}
	signer := token.GetOnlySigner()
	if signer == nil || token.Verify() != nil || !namesCertificate(token, signer) {
		return nil, errors.New("is not signed by the certificate in it")
	}
	if parsed.HashAlgorithm != crypto.SHA256 || len(parsed.HashedMessage) != sha256.Size {
		return nil, errors.New("is not of a SHA-256")
	}
	return &Stamp{parsed.Time.UTC(), [sha256.Size]byte(parsed.HashedMessage), parsed.Nonce, token, signer}, nil
}

// Of reports whether this is the time stamp of a text.
func (s *Stamp) Of(text []byte) bool { return s.Hash == sha256.Sum256(text) }

// Signer returns the name in the certificate of who has signed, which nothing but [Stamp.Check] makes believable.
func (s *Stamp) Signer() string { return s.signer.Subject.String() }

// signingCertificateV2 is the signed attribute that names the signer's certificate (RFC 5816).
var signingCertificateV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}

// namesCertificate reports whether the signed attributes name the certificate. An authority that names it by SHA-1
// alone, as RFC 3161 did, is not believed.
func namesCertificate(token *pkcs7.PKCS7, signer *x509.Certificate) bool {
	var signing struct {
		Certs []struct {
			Hash   asn1.RawValue `asn1:"optional"` // algorithm, if it is not SHA-256: then this is a sequence
			Others asn1.RawValue `asn1:"optional"`
			Issuer asn1.RawValue `asn1:"optional"`
		}
		Policies asn1.RawValue `asn1:"optional"`
	}
	if token.UnmarshalSignedAttribute(signingCertificateV2, &signing) != nil || len(signing.Certs) == 0 {
		return false
	}
	hash := sha256.Sum256(signer.Raw)
	first := signing.Certs[0]
	return bytes.Equal(first.Hash.Bytes, hash[:]) || bytes.Equal(first.Others.Bytes, hash[:])
}

// Check checks that one of these authorities has issued the signer's certificate for time stamps, and that it was valid
// then.
func (s *Stamp) Check(authorities *x509.CertPool) error {
	err := s.token.VerifyWithOpts(x509.VerifyOptions{Roots: authorities, Intermediates: pool(s.token.Certificates),
		CurrentTime: s.Time, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}})
	if err != nil {
		return errors.New("is not signed by the authority that was named")
	}
	return nil
}

func pool(certificates []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certificates {
		p.AddCert(c)
	}
	return p
}

// LoadAuthorities reads the certificates of time-stamping authorities from a PEM file.
func LoadAuthorities(path string) (*x509.CertPool, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, Max))
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	var certificates []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read the certificate: %s: %w", path, err)
		}
		certificates = append(certificates, c)
	}
	if certificates == nil {
		return nil, fmt.Errorf("read the certificate: %s is no PEM file of certificates", path)
	}
	return pool(certificates), nil
}
