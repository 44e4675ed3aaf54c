package decode

import "testing"

// TestDecode_WindowScaleIsReadFromAnyOptions: RFC 7323 section 2.2, among others, cut, repeated and damaged.
func TestDecode_WindowScaleIsReadFromAnyOptions(t *testing.T) {
	for _, c := range []struct {
		name    string
		options []byte
		cut     bool
		want    uint8
	}{
		{"none", nil, false, 0},
		{"of Linux", []byte{2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7}, false, 8},
		{"a shift of 0 is an option all the same", []byte{3, 3, 0, 0}, false, 1},
		{"a shift over 14 is 14", []byte{1, 3, 3, 200}, false, 15},
		{"the first of two", []byte{3, 3, 2, 3, 3, 9}, false, 3},
		{"behind the end", []byte{0, 3, 3, 7}, false, 0},
		{"of another length", []byte{3, 4, 7, 0}, false, 0},
		{"without its octet", []byte{1, 1, 3, 3}, false, 0},
		{"a length of 0", []byte{8, 0, 3, 3, 7}, false, 0},
		{"a length beyond the end", []byte{8, 40, 3, 3, 7}, false, 0},
		{"cut off", []byte{2, 4, 5, 180}, true, 15},
		{"before the cut", []byte{3, 3, 5}, true, 6},
	} {
		if got := windowScale(c.options, c.cut); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
