package disclose

import (
	"bytes"
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
	"time"

	"github.com/digitorus/pkcs7"
	"github.com/digitorus/timestamp"
)

// maxStamp is the most octets of a time stamp, and of a file of its authority's certificates. It has few certificates.
const maxStamp = 64 << 10

// Stamp has a time-stamping authority (RFC 3161) confirm that a manifest exists now, and returns its response.
func Stamp(ctx context.Context, url string, manifest []byte) ([]byte, error) {
	nonce, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		return nil, err
	}
	query, err := timestamp.CreateRequest(bytes.NewReader(manifest), &timestamp.RequestOptions{Hash: crypto.SHA256,
		Certificates: true, Nonce: nonce})
	if err != nil {
		return nil, fmt.Errorf("ask for a time stamp: %w", err)
	}
	ctx, stop := context.WithTimeout(ctx, time.Minute)
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
	response, err := io.ReadAll(io.LimitReader(answer.Body, maxStamp))
	if err != nil {
		return nil, fmt.Errorf("read the time stamp: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask for a time stamp: the authority answers %s", answer.Status)
	}
	stamp, err := readStamp(response, manifest)
	if err == nil && (stamp.nonce == nil || stamp.nonce.Cmp(nonce) != 0) {
		err = errors.New("the authority answers another request")
	}
	if err != nil {
		return nil, fmt.Errorf("read the time stamp: %w", err)
	}
	return response, nil
}

// stamp is a time stamp whose signature fits the certificate in it.
type stamp struct {
	time   time.Time
	nonce  *big.Int
	token  *pkcs7.PKCS7
	signer *x509.Certificate
}

// readStamp reads the response of an authority, and checks that it is about the manifest and that the signature fits.
// Whose certificate that is, [stamp.check] checks.
func readStamp(response, manifest []byte) (*stamp, error) {
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
	hash := sha256.Sum256(manifest)
	if parsed.HashAlgorithm != crypto.SHA256 || !bytes.Equal(parsed.HashedMessage, hash[:]) {
		return nil, errors.New("is the time stamp of something else than " + manifestFile)
	}
	return &stamp{parsed.Time.UTC(), parsed.Nonce, token, signer}, nil
}

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

// check checks that one of these authorities has issued the signer's certificate for time stamps, and that it was valid
// then.
func (s *stamp) check(authorities *x509.CertPool) error {
	err := s.token.VerifyWithOpts(x509.VerifyOptions{Roots: authorities, Intermediates: pool(s.token.Certificates),
		CurrentTime: s.time, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}})
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
	text, err := io.ReadAll(io.LimitReader(f, maxStamp))
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
