package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tap25/cmd/tap25/report"
)

// hear listens for a time as sniff would. If a sniff runs on the interfaces, hear asks it instead.
func (s *Settings) hear(ctx context.Context, interfaces []interfaceFacts) *trafficFacts {
	for i := range interfaces {
		if interfaces[i].attached {
			return s.askSniff(ctx)
		}
	}
	before, after, err := s.Listen(ctx, s.For)
	if before == nil {
		return &trafficFacts{err: err}
	}
	t := traffic(before, after)
	t.err = err
	return t
}

// askSniff returns what a running sniff counts in a time, if it listens on all the interfaces.
func (s *Settings) askSniff(ctx context.Context) *trafficFacts {
	path := s.Control
	if path == "" {
		var err error
		if path, err = report.ControlPath(); err != nil {
			return &trafficFacts{err: err}
		}
	}
	asking := outlast(ctx)
	before, err := report.Ask(asking, path)
	if err != nil {
		return &trafficFacts{err: fmt.Errorf("another XDP program is attached, and no tap25 sniff answers: %w", err)}
	}
	for _, name := range s.Interfaces {
		if !before.ListensOn(name) {
			return &trafficFacts{err: fmt.Errorf("another XDP program is attached to %s; the tap25 sniff that runs "+
				"listens on %s",
				name, strings.Join(before.Names(), ", "))}
		}
	}
	pause(ctx, s.For)
	after, err := report.Ask(asking, path)
	if err != nil {
		return &trafficFacts{err: err}
	}
	t := traffic(before, after)
	t.running, t.full = true, after.RingFull
	return t
}

// answerWithin is how long after a signal a sniff may take to answer: what was counted until then is worth having.
const answerWithin = 500 * time.Millisecond

// outlast returns a context that ends a given time after ctx.
func outlast(ctx context.Context) context.Context {
	late, end := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(answerWithin, end) })
	return late
}

// traffic is the difference of two reports.
func traffic(before, now *report.Report) *trafficFacts {
	t := &trafficFacts{
		time: now.At.Sub(before.At), native: map[string]bool{},
		seen: now.Seen - before.Seen, kept: now.Delivered + now.RingFull - before.Delivered - before.RingFull,
		full: now.RingFull - before.RingFull, cut: now.Cut - before.Cut,
		toServers: now.ToServers - before.ToServers, fromServers: now.FromServers - before.FromServers,
		badChecksums: now.BadChecksums() - before.BadChecksums(), skew: now.ClockSkew,
		payload: report.Sum(now.Payload) - report.Sum(before.Payload), lost: now.LostBytes - before.LostBytes,
		longest: int(now.Longest), unread: now.Damaged() - before.Damaged(),
		unopened: since(before.Unopened, now.Unopened),
	}
	for _, i := range now.Interfaces {
		t.native[i.Name] = i.Native
	}
	return t
}

// since returns what was counted between two lists. A kind that is not in the first was too rare for it, or new.
func since(before, now []report.Unopened) (list []report.Unopened) {
	was := map[string]int64{}
	for _, u := range before {
		was[u.What] = u.Frames
	}
	for _, u := range now {
		if u.Frames -= was[u.What]; u.Frames > 0 {
			list = append(list, u)
		}
	}
	slices.SortFunc(list, func(a, b report.Unopened) int {
		return cmp.Or(cmp.Compare(b.Frames, a.Frames), strings.Compare(a.What, b.What))
	})
	return list
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}
