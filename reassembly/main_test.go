package reassembly

import (
	"flag"
	"os"
	"testing"
)

// cases is how many each property draws where -rapid.checks does not say otherwise; the seed is drawn anew each time,
// printed with a failure, and given again with -rapid.seed.
const cases = "1000"

func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "rapid.checks" })
	settings := map[string]string{"rapid.nofailfile": "true"} // a failure prints its seed, which is enough to draw it again
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
