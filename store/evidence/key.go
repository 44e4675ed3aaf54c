package evidence

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// KeyFile is the name of a sensor's private key in the state directory.
const KeyFile = "sensor.key"

// Fingerprint returns the fingerprint of a public key: SHA-256 over its DER form (RFC 8410), as openssl makes it.
func Fingerprint(key ed25519.PublicKey) Hash {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err) // of no Ed25519 key
	}
	return sha256.Sum256(der)
}

// Key is a private key.
type Key struct {
	private     ed25519.PrivateKey
	fingerprint Hash
}

func newKey(private ed25519.PrivateKey) *Key {
	return &Key{private, Fingerprint(private.Public().(ed25519.PublicKey))}
}

// Public returns the public key.
func (k *Key) Public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

// Fingerprint returns the fingerprint of the public key.
func (k *Key) Fingerprint() Hash { return k.fingerprint }

// Sign signs octets, which must begin with a text that no other kind of signed octets begins with. Those of a link do.
func (k *Key) Sign(octets []byte) []byte { return ed25519.Sign(k.private, octets) }

// PublicPEM returns a public key in PEM (RFC 7468).
func PublicPEM(key ed25519.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err) // of no Ed25519 key
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// LoadKey reads a private key: a PEM file with PKCS #8 of an Ed25519 key. It refuses one that the group or others may
// read.
func LoadKey(path string) (*Key, error) {
	data, mode, err := readSmall(path)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	if mode&0o077 != 0 {
		return nil, fmt.Errorf("read the key: others than its owner may use %s: whoever could read it can sign; make a "+
			"new one, or chmod 600 it if nobody has", path)
	}
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("read the key: %s is no PEM file of one private key", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("read the key: %s has no Ed25519 key", path)
	}
	return newKey(private), nil
}

// LoadPublicKey reads a public key from a PEM file, or the one that belongs to a private key.
func LoadPublicKey(path string) (ed25519.PublicKey, error) {
	data, _, err := readSmall(path)
	if err != nil {
		return nil, fmt.Errorf("read the public key: %w", err)
	}
	return ParsePublicKey(data, path)
}

// ParsePublicKey reads a public key from a PEM text, or the one that belongs to a private key. An error names it.
func ParsePublicKey(data []byte, name string) (ed25519.PublicKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM file of a key", name)
	}
	if parsed, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil && block.Type == "PUBLIC KEY" {
		if key, ok := parsed.(ed25519.PublicKey); ok {
			return key, nil
		}
	}
	if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil && block.Type == "PRIVATE KEY" {
		if key, ok := parsed.(ed25519.PrivateKey); ok {
			return key.Public().(ed25519.PublicKey), nil
		}
	}
	return nil, fmt.Errorf("%s has no Ed25519 key", name)
}

// OpenKey reads the private key at path, or makes one if there is none: made reports that. Of several processes that do
// so at once, all get the same key.
func OpenKey(path string) (key *Key, made bool, err error) {
	if key, err = LoadKey(path); !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, false, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, false, err
	}
	err = writeNew(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if errors.Is(err, fs.ErrExist) {
		key, err = LoadKey(path)
		return key, false, err
	}
	if err != nil {
		return nil, false, fmt.Errorf("make the key: %w", err)
	}
	return newKey(private), true, nil
}

// writeNew gives path a file that only its owner may read and that is whole after a crash. It replaces none: the error
// is fs.ErrExist then.
func writeNew(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // O_EXCL, 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Link(f.Name(), path) // unlike a rename it replaces nothing
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// mostKeyBytes is more than a PEM file of a key has.
const mostKeyBytes = 16 << 10

func readSmall(path string) ([]byte, fs.FileMode, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe without a writer would be waited for
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is no regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, mostKeyBytes))
	return data, info.Mode(), err
}
