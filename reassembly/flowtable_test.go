package reassembly

import (
	"maps"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"tap25/reassembly/decode"
)

// TestFlowTable_DoesWhatAMapDoes puts and drops tuples at random, few of them, so that they meet, or many.
func TestFlowTable_DoesWhatAMapDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, model := newFlowTable(func(c *conn) *tuple { return &c.key }), map[tuple]*conn{}
		tuples := rapid.SampledFrom([]int{1, 20, 3000}).Draw(t, "tuples")
		random := rapid.Uint32Range(0, uint32(tuples-1))
		for range rapid.IntRange(1, 5000).Draw(t, "steps") {
			var k tuple
			k.ports[0] = uint16(random.Draw(t, "tuple"))
			switch {
			case table.get(&k) != model[k]:
				t.Fatal("another connection was found")
			case model[k] == nil || random.Draw(t, "again")%3 == 0:
				c := &conn{key: k}
				table.put(c)
				model[k] = c
			default:
				table.drop(&k)
				delete(model, k)
			}
		}
		all := map[tuple]*conn{}
		for c := range table.all {
			all[c.key] = c
		}
		if !maps.Equal(all, model) || table.n != len(model) {
			t.Fatalf("%d connections, want %d", len(all), len(model))
		}
	})
}

// TestFlowTable_SearchesStayShort counts the slots in use one after the other, which bound a search: half of the table
// is unused, whatever the tuples.
func TestFlowTable_SearchesStayShort(t *testing.T) {
	for _, n := range []int{1000, 1 << 17, 1_000_000} {
		table := newFlowTable(func(c *conn) *tuple { return &c.key })
		for i := range n {
			var k tuple
			address := netip.AddrFrom4([4]byte{0, byte(i >> 16), byte(i >> 8), byte(i)}) // one after the other
			k.addresses[0] = decode.AddressOf(address)
			table.put(&conn{key: k})
		}
		run, longest := 0, 0
		for _, s := range table.slots {
			if run++; s.at == nil {
				run = 0
			}
			longest = max(longest, run)
		}
		if longest > 200 {
			t.Errorf("%d tuples: %d slots in use without one unused", n, longest)
		}
	}
}
