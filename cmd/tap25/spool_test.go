package main

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tap25/reassembly/smtp"
	"tap25/store"
	"tap25/store/spool"
)

func TestSpool_CommandsReadADirectory(t *testing.T) {
	dir := t.TempDir()
	s, err := spool.Open(spool.Config{Dir: dir, Sensor: "tap"})
	if err != nil {
		t.Fatal(err)
	}
	side := netip.MustParseAddrPort("192.0.2.1:25")
	row := &smtp.Envelope{SeenAt: time.UnixMicro(1_700_000_000_000_001).UTC(), Sensor: "tap", Client: side,
		Server: side}
	if err := errors.Join(s.Append(store.AppendRow(nil, row)), s.Seal("a key"), s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"ls", dir}, statusDone, "a key"},
		{[]string{"verify", dir}, statusDone, "1 segments, 1 intact records"},
		{[]string{"dump", dir}, statusDone, `{"seen_at":`},
		{[]string{"ls", dir + "/none"}, statusFailed, ""},
		{nil, statusUsage, ""},
	} {
		var out, diag bytes.Buffer
		status := run(t.Context(), append([]string{"spool"}, c.args...), nil, &out, &diag)
		if status != c.status || !strings.Contains(out.String(), c.says) {
			t.Errorf("spool %v: status %d, %s%s", c.args, status, out.String(), diag.String())
		}
	}
}
