package disclose

import (
	"cmp"
	"maps"
	"slices"

	"tap25/store/evidence"
)

// maxKeys is the most keys of sensors that a directory may rest on.
const maxKeys = 1000

// tally counts what proofs prove.
type tally struct {
	proven   int64
	unproven map[string]int64
	keys     map[sensorKey]int64
}

type sensorKey struct {
	sensor string
	key    evidence.Hash
}

// add counts a row that a link proves, and reports whether there was room for its key.
func (t *tally) add(l *link) bool {
	if t.keys == nil {
		t.keys = map[sensorKey]int64{}
	}
	k := sensorKey{l.sensor, l.key}
	if t.keys[k] == 0 && len(t.keys) == maxKeys {
		return false
	}
	t.keys[k]++
	t.proven++
	return true
}

// miss counts a row without a proof.
func (t *tally) miss(reason string) {
	if t.unproven == nil {
		t.unproven = map[string]int64{}
	}
	t.unproven[reason]++
}

// evidence returns the counts as a manifest has them.
func (t *tally) evidence() Evidence {
	e := Evidence{Proven: t.proven, Unproven: []Unproven{}, Keys: []Key{}}
	for _, reason := range slices.Sorted(maps.Keys(t.unproven)) {
		e.Unproven = append(e.Unproven, Unproven{reason, t.unproven[reason]})
	}
	for k, rows := range t.keys {
		e.Keys = append(e.Keys, Key{k.sensor, k.key.String(), rows})
	}
	slices.SortFunc(e.Keys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Sensor, b.Sensor), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return e
}
