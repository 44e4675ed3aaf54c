package store

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tap25/store/spool"
)

// BenchmarkLoader compares the loader, from sealed segments on disk, with psql's \copy of the same rows in the same
// binary form into the same table, without what counts and checks them: each in turn, into a database of its own.
func BenchmarkLoader(b *testing.B) {
	const rows = 200_000
	psql, err := exec.LookPath("psql")
	if err != nil {
		b.Skip(err)
	}
	ours, theirs := database(b, false), database(b, false)
	for _, db := range []*DB{ours, theirs} {
		if _, err := db.AheadPartitions(b.Context(), 0); err != nil {
			b.Fatal(err)
		}
	}
	// What the server counts and checks of a load is the loader's to pay.
	run(b, theirs, `drop trigger count_rows on tap25_internal.envelopes; alter table tap25_internal.envelopes drop constraint row_values, drop constraint origins;
		do $$ declare p regclass; begin
			for p in select inhrelid from pg_inherits where inhparent = 'tap25_internal.envelopes'::regclass loop execute format('drop trigger count_day on %s', p); end loop;
		end $$`)
	var loading, copying time.Duration
	n := 0
	for b.Loop() {
		s := openSpool(b, spool.Config{})
		var records [][]byte
		for range rows {
			r := numbered("tap", 3*n) // of today
			n++
			records = append(records, r)
			sealOne(b, s, r)
		}
		if err := s.Seal(""); err != nil {
			b.Fatal(err)
		}
		path := filepath.Join(b.TempDir(), "rows")
		f, err := os.Create(path)
		if err == nil {
			_, err = io.Copy(f, copyStream(records))
		}
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
		l := NewLoader(LoaderConfig{Spool: s, Connect: to(ours, "")})
		begun := time.Now()
		drain(b, s, l)
		loading += time.Since(begun)
		c := theirs.Conn().Config()
		cmd := exec.Command(psql, "-Xq", "-v", "ON_ERROR_STOP=1", "-c",
			`\copy tap25_internal.envelopes (`+columns+`) from '`+path+`' (format binary)`)
		cmd.Env = append(os.Environ(), "PGHOST="+c.Host, "PGUSER="+c.User, "PGDATABASE="+c.Database)
		begun = time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		copying += time.Since(begun)
	}
	b.ReportMetric(float64(n)/loading.Seconds(), "rows/s")
	b.ReportMetric(float64(n)/copying.Seconds(), "psql-rows/s")
	b.ReportMetric(copying.Seconds()/loading.Seconds(), "x-psql")
}

// BenchmarkLoaders loads as many rows in all by one connection, by two under one sensor's name, and as two and eight
// sensors with one each: each in turn, from sealed segments on disk, signed, into a database of its own.
func BenchmarkLoaders(b *testing.B) {
	const rows = 200_000
	arrangements := []struct {
		name     string
		loaders  int
		sensors  int
		database *DB
		took     time.Duration
	}{{"one", 1, 1, nil, 0}, {"two", 2, 1, nil, 0}, {"two-sensors", 2, 2, nil, 0},
		{"eight", 8, 8, nil, 0}}
	n := 0
	for b.Loop() {
		for i := range arrangements {
			a := &arrangements[i]
			if a.database == nil {
				a.database = database(b, false)
			}
			var loaders []*Loader
			for k := range a.loaders {
				sensor := fmt.Sprint("tap", k%a.sensors)
				s := openSpool(b, spool.Config{Sensor: sensor})
				for range rows / a.loaders {
					sealOne(b, s, numbered(sensor, 3*n)) // of today
					n++
				}
				if err := s.Seal(""); err != nil {
					b.Fatal(err)
				}
				loaders = append(loaders, NewLoader(LoaderConfig{Spool: s, Connect: to(a.database, ""), Signer: signer(b)}))
			}
			var group sync.WaitGroup
			begun := time.Now()
			for _, l := range loaders {
				group.Go(func() { drain(b, l.cfg.Spool, l) })
			}
			group.Wait()
			a.took += time.Since(begun)
		}
	}
	for _, a := range arrangements {
		b.ReportMetric(float64(b.N*rows)/a.took.Seconds(), a.name+"-rows/s")
		b.ReportMetric(arrangements[0].took.Seconds()/a.took.Seconds(), "x-"+a.name)
	}
}
