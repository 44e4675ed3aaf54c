package reassembly

import "tap25/reassembly/smtp"

// feeding is how far gopacket was given what a direction holds: the first runs alone. It goes through its pages one by one,
// from the last one on, at each segment that does not come behind them all, even at one that fills the first hole; so what it
// would have to go through is bounded, not by what is held.
type feeding struct {
	episode  *episode // open while something is held
	fed      int      // runs that gopacket has: the first of those held
	fedPages int      // their pages
	fedEnd   int64    // runs that begin before it were fed
}

// maxFed is how many pages gopacket is given of one direction, unless the first run alone has more; it is begun anew where
// segments that come before those push it to twice that.
const maxFed = 16

// feedFresh gives gopacket those of some runs, just put among those held, that stand before others that it has, and then
// what it has room for.
func (c *conn) feedFresh(dir smtp.Direction, fresh []run) {
	h := &c.half[dir]
	if h.episode == nil {
		c.openEpisode(dir)
	}
	for i := range fresh {
		if fresh[i].off >= h.fedEnd {
			break
		}
		if h.fedPages > 2*maxFed && h.fed > 1 {
			c.unfeed(dir)
			break
		}
		c.a.stats.Steps += int64(h.fedPages)
		c.feedRun(dir, &fresh[i])
	}
	c.topUp(dir)
}

func (c *conn) openEpisode(dir smtp.Direction) {
	h := &c.half[dir]
	h.episode = c.a.orderer.open(h.next, func(n int64) { c.release(dir, n) })
	h.fed, h.fedPages, h.fedEnd = 0, 0, h.next
}

// feedRun gives gopacket a run, which it may release at once, with others that follow on it.
func (c *conn) feedRun(dir smtp.Direction, r *run) {
	h := &c.half[dir]
	h.fed++
	h.fedPages += r.pages()
	c.a.orderer.use(r.pages())
	h.episode.feed(r.off, r.data)
}

// topUp gives gopacket the next runs while it has few; those that follow on what was delivered it releases at once.
func (c *conn) topUp(dir smtp.Direction) {
	h := &c.half[dir]
	for h.fed < h.held.len() {
		b, i := h.held.search(h.fedEnd)
		r := *h.held.at(b, i)
		if h.fed > 0 && h.fedPages+r.pages() > maxFed {
			return
		}
		c.a.stats.Steps++
		h.fedEnd = r.end()
		c.feedRun(dir, &r)
	}
}

// unfeed takes back what gopacket has of a direction, and begins anew with a gopacket connection that has nothing.
func (c *conn) unfeed(dir smtp.Direction) {
	h := &c.half[dir]
	c.a.stats.Steps += int64(h.fedPages)
	octets := int64(0)
	b, i := 0, 0
	for range h.fed {
		octets += int64(len(h.held.at(b, i).data))
		b, i = h.held.next(b, i)
	}
	c.a.orderer.use(-h.fedPages)
	h.episode.abandon(h.fedEnd, octets)
	c.openEpisode(dir)
}
