package spool_test

import (
	"errors"
	"fmt"
	"log"
	"os"

	"tap25/store/spool"
)

// A program appends records and seals them; a loader reads the segments that wait, and says what it has loaded.
func Example() {
	dir, err := os.MkdirTemp("", "spool")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := spool.Open(spool.Config{Dir: dir, Sensor: "tap"})
	if errors.Is(err, spool.ErrBusy) {
		log.Fatal("another process has the spool")
	}
	if err != nil {
		log.Fatal(err)
	}
	for _, record := range []string{"one", "two"} {
		if err := s.Append([]byte(record)); err != nil { // spool.ErrFull: memory and disk are full
			log.Fatal(err)
		}
	}
	if err := s.Seal("first"); err != nil { // durable from here on
		log.Fatal(err)
	}

	for _, segment := range s.Sealed() {
		records, damage, err := s.Read(segment)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s of %s: %s\n", segment.Key, segment.Sensor, records)
		if err := s.Loaded(segment, damage); err != nil { // once the records are committed elsewhere
			log.Fatal(err)
		}
	}
	stats := s.Stats()
	fmt.Println(stats.Appended, "appended,", stats.Loaded, "loaded,", stats.Waiting, "waiting")
	if err := s.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// first of tap: [one two]
	// 2 appended, 2 loaded, 0 waiting
}
