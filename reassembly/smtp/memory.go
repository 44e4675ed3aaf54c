package smtp

import "strings"

// Memory is what the dialogues of one goroutine leave to those after them, so that a session that is like the one
// before takes next to nothing from the garbage collector. The zero value is ready.
type Memory struct {
	dialogues []*Dialogue // closed
	unused    Rows        // to be made into rows
	made      Rows        // since the last call of Reuse
	reuses    bool        // Reuse was called
}

// Rows are rows that dialogues have made.
type Rows []*rowMemory

const (
	// maxUnused bounds the closed dialogues that are kept, 2 MiB, and the unused rows, 350 KiB.
	maxUnused = 1024
	// rowsAtOnce is how many rows one allocation makes. Who keeps one of them keeps all.
	rowsAtOnce = 16
)

// rowMemory is a row with what it points to.
type rowMemory struct {
	Envelope
	messageBytes int64
	queueID      string
}

// row returns an empty row.
func (m *Memory) row() *rowMemory {
	if m == nil {
		return new(rowMemory)
	}
	if len(m.unused) == 0 {
		rows := make([]rowMemory, rowsAtOnce)
		for i := range rows {
			m.unused = append(m.unused, &rows[i])
		}
	}
	last := len(m.unused) - 1
	r := m.unused[last]
	if m.unused = m.unused[:last]; m.reuses {
		m.made = append(m.made, r)
	}
	return r
}

// Reuse returns the rows that were made since its last call. emitted are rows of an earlier call that nobody uses any
// more: their memory is used for further rows. Without Reuse a row is the callee's of Config.Emit to keep.
func (m *Memory) Reuse(emitted Rows) (made Rows) {
	n := min(len(emitted), max(maxUnused-len(m.unused), 0))
	for _, r := range emitted[:n] {
		*r = rowMemory{} // or it would keep the texts of its session
		m.unused = append(m.unused, r)
	}
	clear(emitted)
	made = m.made
	m.made, m.reuses = emitted[:0], true
	return made
}

// dialogue returns a dialogue that is to be begun: a new one, or one that is closed.
func (m *Memory) dialogue() *Dialogue {
	if m == nil || len(m.dialogues) == 0 {
		return new(Dialogue)
	}
	last := len(m.dialogues) - 1
	d := m.dialogues[last]
	m.dialogues = m.dialogues[:last]
	return d
}

// Release leaves the memory of a closed dialogue to another. The dialogue must not be used afterwards. It may wait long,
// so it keeps nothing of its session.
func (d *Dialogue) Release() {
	if m := d.cfg.Memory; m != nil && len(m.dialogues) < maxUnused {
		d.renew(nil, Session{}, nil)
		d.closed = true
		m.dialogues = append(m.dialogues, d)
	}
}

const (
	// textChunk, textsAtOnce and pathsAtOnce are how many octets of text, texts and paths one allocation has room for.
	textChunk   = 256
	textsAtOnce = 8
	pathsAtOnce = 4
)

// texts makes the texts and paths of one dialogue, several with one allocation. None of it changes once it is made, so
// that rows may point to it; whoever keeps one of them keeps those that were made with it.
type texts struct {
	octets *strings.Builder
	texts  []string
	paths  []path
	long   bool // some are long, so what was made with them is not for other dialogues
}

// text returns a text of these octets.
func (t *texts) text(b []byte) *string {
	if len(t.texts) == 0 {
		t.texts = make([]string, textsAtOnce)
	}
	s := &t.texts[0]
	t.texts = t.texts[1:]
	*s = t.string(b)
	return s
}

func (t *texts) string(b []byte) string {
	if len(b) > textChunk/4 {
		t.long = true
		return string(b)
	}
	if t.octets == nil {
		t.octets = new(strings.Builder)
	}
	if t.octets.Cap()-t.octets.Len() < len(b) {
		t.octets.Reset()
		t.octets.Grow(textChunk)
	}
	from := t.octets.Len()
	t.octets.Write(b)
	return t.octets.String()[from:]
}

// raw returns a copy of octets.
func (t *texts) raw(b []byte) []byte {
	t.long = t.long || len(b) > textChunk/4
	return append([]byte{}, b...)
}

// anew is what is left for another dialogue.
func (t *texts) anew() texts {
	if t.long {
		return texts{}
	}
	return *t
}

// path returns an empty path.
func (t *texts) path() *path {
	if len(t.paths) == 0 {
		t.paths = make([]path, pathsAtOnce)
	}
	p := &t.paths[0]
	t.paths = t.paths[1:]
	return p
}
