package store_test

import (
	"context"
	"errors"
	"log"
	"net/netip"
	"time"

	"tap25/reassembly/smtp"
	"tap25/store"
	"tap25/store/spool"
)

// The private cluster is started and migrated by opening it. A segment is loaded once, however often Load is called.
func Example() {
	ctx := context.Background()
	d, err := store.NewDatabase(store.Local) // or a connection string
	if err != nil {
		log.Fatal(err)
	}
	defer d.Release(ctx) // stops the server, if no other tap25 uses it
	db, err := d.Connect(ctx)
	switch {
	case errors.Is(err, store.ErrNoSchema), errors.Is(err, store.ErrOlderSchema):
		log.Fatal("run 'tap25 db migrate'") // of the private cluster, Connect has done that
	case err != nil:
		log.Fatal(err)
	}
	defer db.Close()

	row := store.AppendRow(nil, &smtp.Envelope{
		SeenAt: time.Now(), Sensor: "tap",
		Client: netip.MustParseAddrPort("192.0.2.1:40000"), Server: netip.MustParseAddrPort("198.51.100.25:25"),
	})
	added, err := db.Load(ctx, "tap", "segment-1", [][]byte{row})
	if err != nil {
		log.Fatal(err)
	}
	log.Print(added) // false if segment-1 was loaded before
}

// A Loader takes the segments of a spool to the database until its context ends, however often the database goes away.
func ExampleLoader() {
	s, err := spool.Open(spool.Config{Dir: "/var/lib/tap25/spool/tap", Sensor: "tap"})
	if err != nil {
		log.Fatal(err)
	}
	d, err := store.NewDatabase("postgres://tap@db.example/mail")
	if err != nil {
		log.Fatal(err)
	}
	l := store.NewLoader(store.LoaderConfig{Spool: s, Connect: d.Connect})
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	l.Run(ctx)
	log.Print(l.Stats().Added, " rows loaded")
	if err := s.Close(); err != nil { // what waits is loaded the next time
		log.Fatal(err)
	}
}
