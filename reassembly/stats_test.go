package reassembly

import (
	"reflect"
	"testing"
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

// each visits every integer in a struct or array.
func each(v reflect.Value, name string, visit func(reflect.Value, string)) {
	switch v.Kind() {
	case reflect.Struct:
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
