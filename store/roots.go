package store

import (
	"maps"
	"slices"

	"tap25/store/evidence"
)

// rootsOf returns the roots of records: of rows that AppendRow made, one for each day, the earliest first; then of
// coverage that AppendCoverage made.
func rootsOf(records [][]byte) []evidence.DayRows {
	rows, coverage := apart(records)
	return append(rootsOfRows(rows), rootsOfCoverage(coverage)...)
}

// rootsOfCoverage returns the roots of records of coverage by the day that each begins in.
func rootsOfCoverage(coverage [][]byte) []evidence.DayRows {
	leaves := map[int32][]evidence.Hash{}
	for _, c := range coverage {
		d := dayNumber(c)
		leaves[d] = append(leaves[d], evidence.LeafOf(append([]byte{evidence.LeafPrefix}, c...)))
	}
	return rootsOfLeaves(evidence.Minutes, leaves)
}

func rootsOfRows(rows [][]byte) []evidence.DayRows {
	leaves := map[int32][]evidence.Hash{}
	var its []evidence.Hash // of the day of the row before
	var tuple []byte
	var day int32
	for i, r := range rows {
		if d := dayNumber(r); i == 0 || d != day {
			leaves[day] = its
			if day, its = d, leaves[d]; i == 0 {
				its = make([]evidence.Hash, 0, len(rows)) // most segments are of one day
			}
		}
		tuple = widen(append(tuple[:0], evidence.LeafPrefix), r)
		its = append(its, evidence.LeafOf(tuple))
	}
	leaves[day] = its
	return rootsOfLeaves(evidence.Envelopes, leaves)
}

func rootsOfLeaves(table evidence.Table, leaves map[int32][]evidence.Hash) (roots []evidence.DayRows) {
	for _, d := range slices.Sorted(maps.Keys(leaves)) {
		if len(leaves[d]) == 0 {
			continue
		}
		evidence.Sort(leaves[d])
		roots = append(roots, evidence.DayRows{Table: table, Day: d, Rows: uint64(len(leaves[d])),
			Root: evidence.Root(leaves[d])})
	}
	return roots
}

// dated returns the roots with the tables that the rows are in.
func dated(roots []evidence.DayRows, misdated misdatedDays) []evidence.DayRows {
	roots = slices.Clone(roots)
	for i, r := range roots {
		if _, ok := misdated[DayOf(r.Day)]; ok && r.Table == evidence.Envelopes {
			roots[i].Table = evidence.Misdated
		}
	}
	return roots
}
