package capture_test

import (
	"fmt"
	"io"
	"log"
	"os"

	"tap25/capture"
)

// The frames of several captures are one stream. Data is valid until the next call of Next.
func ExampleOpenFiles() {
	files := capture.OpenFiles([]string{"../testdata/demo.pcap.gz"}, os.Stdin)
	defer files.Close()
	var frame capture.Frame
	frames, octets := 0, 0
	for {
		err := files.Next(&frame)
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err) // names the file and the offset; all frames before it were given
		}
		frames++
		octets += frame.Length
	}
	fmt.Println(frames, "frames,", octets, "octets on the wire")
	// Output: 9459 frames, 1553472 octets on the wire
}
