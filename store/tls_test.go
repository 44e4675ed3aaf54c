package store

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store/cluster"
	"tap25/store/storetest"
)

func TestSecureDSN(t *testing.T) {
	const full = "sslmode=verify-full"
	t.Setenv("HOME", t.TempDir())
	for dsn, want := range map[string]string{
		"postgres://u@db.example/x":                    "postgres://u@db.example/x?" + full,
		"postgres://u@db.example/x?connect_timeout=5":  "postgres://u@db.example/x?connect_timeout=5&" + full,
		"postgresql://u:a%20b@192.0.2.1:6000/x":        "postgresql://u:a%20b@192.0.2.1:6000/x?" + full,
		"postgres://u@localhost,db.example/x":          "postgres://u@localhost,db.example/x?" + full,
		"postgres://u@[2001:db8::1],db.example:6000/x": "postgres://u@[2001:db8::1],db.example:6000/x?" + full,
		"host=db.example user=u":                       "host=db.example user=u " + full,
		"host=db.example user=u sslmode = prefer":      "",
		"postgres://u@db.example/x?sslmode=require":    "",
		"postgres://u@db.example/x?sslmode=disable":    "",
		"postgres://u@db.example/x?sslmode=prefer":     "",
		"postgres://u@localhost/x":                     "",
		"postgres://u@127.0.0.1/x":                     "",
		"postgres://u@[::1]/x":                         "",
		"host=/run/postgresql user=u":                  "",
		"postgres:///x?host=/run/postgresql":           "",
		"not a database":                               "",
	} {
		t.Setenv("PGSSLMODE", "")
		if want == "" {
			want = dsn
		}
		if got := SecureDSN(dsn); got != want {
			t.Errorf("%s becomes %s, want %s", dsn, got, want)
		}
		t.Setenv("PGSSLMODE", "require")
		if got := SecureDSN(dsn); got != dsn {
			t.Errorf("with PGSSLMODE %s becomes %s", dsn, got)
		}
	}
}

// certificate writes NAME.crt and NAME.key to a directory, signed by a parent or by itself.
func certificate(t *testing.T, dir, name string, parent *x509.Certificate,
	parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotAfter:              time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: parent == nil, DNSNames: []string{name}}
	if parent == nil {
		parent, parentKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for ext, b := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: der},
		".key": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(filepath.Join(dir, name+ext), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}

// startTLS runs a PostgreSQL on 127.0.0.1 whose certificate is for db.example, and returns its port and the directory
// of the certificates.
func startTLS(t *testing.T) (port int, dir string) {
	t.Helper()
	dir = storetest.Dir(t)
	c, err := cluster.New(dir)
	storetest.Need(t, err)
	uid, gid := c.Owner()
	_, user := storetest.Address(t, c)
	ca, caKey := certificate(t, dir, "authority", nil, nil)
	certificate(t, dir, "db.example", ca, caKey)
	certificate(t, dir, "other", nil, nil)
	files, _ := filepath.Glob(dir + "/*")
	for _, f := range append(files, dir) {
		if err := os.Chown(f, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := c.Command("initdb", "-D", c.DataDir(), "-U", user, "-A", "trust", "-N").
		CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	if err != nil {
		t.Fatal(err)
	}
	port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	hba := "hostssl all all 127.0.0.1/32 trust\n"
	if err := os.WriteFile(filepath.Join(c.DataDir(), "pg_hba.conf"), []byte(hba), 0o600); err != nil {
		t.Fatal(err)
	}
	args := fmt.Sprintf("-p %d -k %s -c listen_addresses=127.0.0.1 -c ssl=on -c ssl_cert_file=%s/db.example.crt -c "+
		"ssl_key_file=%[3]s/db.example.key", port, dir, dir)
	if out, err := c.Command("pg_ctl", "start", "-w", "-D", c.DataDir(), "-l", filepath.Join(dir, "log"), "-o", args).
		CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { c.Command("pg_ctl", "stop", "-m", "immediate", "-D", c.DataDir()).Run() })
	return port, dir
}

func TestOpen_AServerElsewhereMustProveItsName(t *testing.T) {
	t.Setenv("PGSSLMODE", "")
	t.Setenv("HOME", t.TempDir())
	port, dir := startTLS(t)
	_, user := storetest.Address(t, storetest.Cluster(t))
	for _, try := range []struct {
		name, host, settings string
		ok                   bool
	}{
		{"signed by the authority that is named", "db.example", "?sslrootcert=" + dir + "/authority.crt", true},
		{"nobody named", "db.example", "", false},
		{"another authority", "db.example", "?sslrootcert=" + dir + "/other.crt", false},
		{"another name", "mx.example", "?sslrootcert=" + dir + "/authority.crt", false},
		{"less asked for", "mx.example", "?sslmode=require", true},
	} {
		t.Run(try.name, func(t *testing.T) {
			cfg, err := pgx.ParseConfig(SecureDSN(fmt.Sprintf("postgres://%s@%s:%d/postgres%s", user, try.host, port,
				try.settings)))
			if err != nil {
				t.Fatal(err)
			}
			cfg.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
			db, err := connect(t.Context(), cfg)
			switch {
			case try.ok && err != nil:
				t.Error(err)
			case try.ok:
				if !ask[bool](t, db, "select ssl from pg_stat_ssl where pid = pg_backend_pid()") {
					t.Error("connected without TLS")
				}
				db.Close()
			case err == nil:
				db.Close()
				t.Error("connected to a server that proved nothing")
			case !strings.Contains(err.Error(), "sslrootcert="):
				t.Errorf("the error does not say what to do: %v", err)
			}
		})
	}
}
