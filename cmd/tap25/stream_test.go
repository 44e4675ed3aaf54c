package main

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"tap25/reassembly/smtp"
)

// nowhere is a database that answers at once that it is not there.
const nowhere = "postgres://nobody@127.0.0.1:1/none?sslmode=disable"

func envelope(n int) *smtp.Envelope {
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 40000)
	return &smtp.Envelope{SeenAt: time.Now().UTC(), Sensor: "tap", SessionID: int64(n), Client: client, Server: mx, Outcome: smtp.Accepted}
}

// Live rows beyond the limit are lost and counted, without a wait; what is within it stays until the next start.
func TestStream_SpoolKeepsItsLimit(t *testing.T) {
	const limit = 1 << 20
	dir := filepath.Join(t.TempDir(), "spool")
	s, err := openStream(t.Context(), streamConfig{db: nowhere, dirs: []string{dir}, limits: spoolLimits{bytes: limit}, sensor: "tap", log: zerolog.Nop(), stderr: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for ; s.Stats().spool.Lost < 1000; n++ {
		s.Emit(envelope(int(n)))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s.Close(ended) // which says that rows wait
	st := s.Stats().spool
	if st.Appended+st.Lost != n || st.Appended != st.Waiting+st.Dropped || st.Bytes > limit || st.Waiting == 0 {
		t.Errorf("%d rows: %+v", n, st)
	}
	if err := (&spoolLimits{bytes: 0}).check(); err == nil {
		t.Error("a spool of no bytes is no mistake")
	}
}
