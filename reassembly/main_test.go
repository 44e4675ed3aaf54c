package reassembly

import (
	"testing"

	"tap25/reassembly/rapidtest"
)

func TestMain(m *testing.M) { rapidtest.Main(m, "1000") }
