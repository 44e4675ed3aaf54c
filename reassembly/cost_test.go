package reassembly_test

import (
	"time"

	"tap25/reassembly"
	"tap25/reassembly/hostile"
	"tap25/reassembly/smtp"
)

// attack is a shape's frames, made beforehand.
type attack struct {
	hostile.Made
	frames []timed
}

type timed struct {
	t    time.Time
	data []byte
}

func makeAttack(s *hostile.Shape, n int) (a attack) {
	a.Made = s.Write(n, func(t time.Time, frame []byte) { a.frames = append(a.frames, timed{t, frame}) })
	return a
}

// take has a new Assembler take all frames, and returns what it has counted.
func (a *attack) take() reassembly.Stats {
	asm := reassembly.New(reassembly.Config{Emit: func(*smtp.Envelope) {}})
	for _, f := range a.frames {
		asm.Frame(f.t, 1, f.data, len(f.data))
	}
	asm.Close()
	return asm.Stats()
}

// units is what a shape's cost is counted by: commands where its frames are full of them, frames else.
func (a *attack) units(s *hostile.Shape) int {
	if s.Load == hostile.Commands {
		return a.Made.Commands
	}
	return a.Made.Frames
}
