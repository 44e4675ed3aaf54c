// Package rapidtest sets up the property tests of a package, which draw their cases with pgregory.net/rapid.
package rapidtest

import (
	"flag"
	"os"
	"testing"
)

// Main runs the tests of a package and ends the process, for TestMain. Each property draws so many cases if
// -rapid.checks does not say otherwise. The seed is drawn anew each time, printed with a failure, and given again with
// -rapid.seed.
func Main(m *testing.M, cases string) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "rapid.checks" })
	// a failure prints its seed, which is enough to draw it again
	settings := map[string]string{"rapid.nofailfile": "true"}
	if !chosen {
		settings["rapid.checks"] = cases
	}
	for name, value := range settings {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
