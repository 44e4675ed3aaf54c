package reassembly

import "tap25/reassembly/smtp"

// feeding records how much of what a direction holds gopacket was given: the first runs alone. gopacket searches its
// pages one by one, from the last one back, for each segment that does not come after them all, even for one that fills
// the first hole. So its pages are bounded by maxFed, not by what is held.
type feeding struct {
	episode   *episode // open while something is held
	fed       int      // runs that gopacket has: the first of those held
	fedPages  int      // their pages
	fedOctets int64    // and their octets
	fedEnd    int64    // runs that begin before it were fed
}

// maxFed is how many pages of one direction gopacket is given, unless the first run alone has more. If segments that
// precede those bring it to twice that, the episode is begun anew.
const maxFed = 16

// feedFresh gives gopacket those of the new runs that precede others that it has, and then those that it has room for.
// The new runs are held already.
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
		c.shared.stats.Steps += int64(h.fedPages)
		c.feedRun(dir, &fresh[i])
	}
	c.topUp(dir)
}

func (c *conn) openEpisode(dir smtp.Direction) {
	h := &c.half[dir]
	h.episode = c.shared.orderer.open(h.next, func(n int64) { c.release(dir, n) })
	h.fed, h.fedPages, h.fedOctets, h.fedEnd = 0, 0, 0, h.next
}

// feedRun gives gopacket a run. gopacket may release it at once, with others that follow it.
func (c *conn) feedRun(dir smtp.Direction, r *run) {
	h := &c.half[dir]
	h.fed++
	h.fedPages += r.pages()
	h.fedOctets += int64(len(r.data))
	c.shared.orderer.use(r.pages())
	h.episode.feed(r.off, r.data)
}

// topUp gives gopacket the next runs while it has few. Those that follow what was delivered it releases at once.
func (c *conn) topUp(dir smtp.Direction) {
	h := &c.half[dir]
	for h.fed < h.held.len() {
		b, i := h.held.search(h.fedEnd)
		r := *h.held.at(b, i)
		if h.fed > 0 && h.fedPages+r.pages() > maxFed {
			return
		}
		c.shared.stats.Steps++
		h.fedEnd = r.end()
		c.feedRun(dir, &r)
	}
}

// unfeed takes back what gopacket has of a direction, and begins anew with a gopacket connection that has nothing. What
// gopacket has need not be the first runs that are held: those of a segment that is being fed may be among them.
func (c *conn) unfeed(dir smtp.Direction) {
	h := &c.half[dir]
	c.shared.stats.Steps += int64(h.fedPages)
	c.shared.orderer.use(-h.fedPages)
	h.episode.abandon(h.fedEnd, h.fedOctets)
	c.openEpisode(dir)
}
