package reassembly

import (
	"reflect"
	"testing"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
)

// TestStats_AddTakesEveryCounter fails where a counter is added to the struct and not to Add.
func TestStats_AddTakesEveryCounter(t *testing.T) {
	var sum, one Stats
	n := int64(0)
	each(reflect.ValueOf(&one).Elem(), "Stats", func(v reflect.Value, _ string) {
		n++
		v.SetInt(n)
	})
	sum.Add(&one)
	sum.Add(&one)
	n = 0
	each(reflect.ValueOf(&sum).Elem(), "Stats", func(v reflect.Value, name string) {
		n++
		want := 2 * n
		if name == "Stats.ClockSkew" { // the largest
			want = n
		}
		if v.Int() != want {
			t.Errorf("%s is %d, want %d", name, v.Int(), want)
		}
	})
}

// each visits every integer in a struct or array, but for the kinds that decode counts, which it merges by itself.
func each(v reflect.Value, name string, visit func(reflect.Value, string)) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[decode.UnreadCounts]() {
			return
		}
		for i := range v.NumField() {
			each(v.Field(i), name+"."+v.Type().Field(i).Name, visit)
		}
	case reflect.Array:
		for i := range v.Len() {
			each(v.Index(i), name, visit)
		}
	default:
		visit(v, name)
	}
}

func TestStats_SayWhatWasNotRead(t *testing.T) {
	var sum Stats
	for range 2 {
		a := New(Config{})
		f := decodetest.Wrap(0x88f7, make([]byte, 60)).Ethernet(t)
		a.Frame(decodetest.Epoch, decodetest.LinkEthernet, f, len(f))
		s := a.Stats()
		sum.Add(&s)
	}
	want := []decode.UnreadCount{{What: decode.UnreadEtherType(0x88f7), Frames: 2}}
	if top := sum.Unread.Top(); !reflect.DeepEqual(top, want) {
		t.Errorf("%v, want %v", top, want)
	}
}

func TestConfig_InterceptPortsAreRead(t *testing.T) {
	packet := decodetest.Segment{Flags: decode.SYN}.IP(t)
	for _, c := range []struct {
		ports []uint16
		to    uint16
		want  decode.Verdict
	}{
		{nil, 30030, decode.TCPPort}, {nil, 9002, decode.NotTCP},
		{[]uint16{9001, 9002}, 9002, decode.TCPPort}, {[]uint16{9001, 9002}, 30030, decode.NotTCP},
	} {
		a := New(Config{InterceptPorts: c.ports})
		shim := []byte{0, 0, 0, 7, 0, 0, 0, 9}
		f := decodetest.Datagram(t, false, 50000, c.to, append(shim, packet.Data...)).Ethernet(t)
		a.Frame(decodetest.Epoch, decodetest.LinkEthernet, f, len(f))
		if s := a.Stats(); s.Frames[c.want] != 1 {
			t.Errorf("ports %v: a datagram to %d is no %v", c.ports, c.to, c.want)
		}
	}
}
