package store

import (
	"bytes"
	"maps"
	"os"
	"slices"
	"testing"

	"tap25/store/spool"
)

func TestLoader_ReadsAheadOfItsTurn(t *testing.T) {
	db := database(t, false)
	s := openSpool(t, spool.Config{SegmentRecords: -1})
	n := 0
	good := nextRows(&n)
	sealRows(t, s, "first", good(20)...)
	sealRows(t, s, "whole", good(20)...)
	sealRows(t, s, "refused", append(good(20), spoilt(1))...)
	sealRows(t, s, "no row", append(good(20), []byte("no row"))...)
	sealRows(t, s, "damaged", numbered("tap", -1))
	sealRows(t, s, "last", good(20)...)
	sealRows(t, s, "gone", numbered("tap", -1))
	segments := s.Sealed()
	data, err := os.ReadFile(segments[4].Path)
	if err != nil {
		t.Fatal(err)
	}
	data[bytes.Index(data, []byte("@a"))] ^= 1
	if err := os.WriteFile(segments[4].Path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(segments[6].Path); err != nil {
		t.Fatal(err)
	}
	l := NewLoader(LoaderConfig{Spool: s, Connect: to(db, "")})
	if err := l.try(t.Context(), segments[:1], segments[1:]); err != nil {
		t.Fatal(err)
	}
	var ahead []string
	for _, seg := range l.ahead {
		ahead = append(ahead, seg.Key)
	}
	slices.Sort(ahead)
	if want := []string{"damaged", "last", "no row", "refused", "whole"}; !slices.Equal(ahead, want) {
		t.Errorf("read ahead %q, want %q", ahead, want)
	}
	if err := os.Remove(segments[1].Path); err != nil { // it is not read again
		t.Fatal(err)
	}
	drain(t, s, l)
	checkOnce(t, db, "tap", n)
	if st, ld := s.Stats(), l.Stats(); st.SetAside != 2 || st.Damaged != 1 || st.Waiting != 1 || ld.Unread != 1 ||
		len(l.ahead) != 0 {
		t.Errorf("%+v, %+v, %d ahead", st, ld, len(l.ahead))
	}
}

func TestLoader_ReadsNoMoreAheadThanItMay(t *testing.T) {
	s := openSpool(t, spool.Config{SegmentRecords: -1, SegmentBytes: -1})
	big := make([]byte, spool.MaxRecord)
	for range 4 {
		sealRows(t, s, "", slices.Repeat([][]byte{big}, 5)...)
	}
	l := NewLoader(LoaderConfig{Spool: s})
	segments := s.Sealed()
	l.readAhead(segments)()
	if read := slices.Sorted(maps.Keys(l.ahead)); !slices.Equal(read,
		[]string{segments[0].Path, segments[1].Path, segments[2].Path}) {
		t.Errorf("%d segments of %d bytes read ahead, want 3", len(read), segments[0].Bytes)
	}
	l.readAhead(nil)()
	if len(l.ahead) != 0 {
		t.Errorf("%d segments kept whose turn has passed", len(l.ahead))
	}
}
