package sniff

import (
	"slices"
	"testing"
)

// TestRights_TheAuthorityCanBeReached: what is not in the list, Landlock keeps the tap from.
func TestRights_TheAuthorityCanBeReached(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "") // read once for a process
	for url, want := range map[string][]uint16{
		"": nil, "https://tsa.example/tsr": {443}, "http://tsa.example": {80}, "http://[2001:db8::1]:3161/": {3161},
		"mailto:a@a.example": nil, "https://tsa.example:99999/": nil,
	} {
		s := Settings{Timestamp: url}
		if got := s.rights().Connect; !slices.Equal(got, want) {
			t.Errorf("%q: the ports %v, want %v", url, got, want)
		}
	}
}
