package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tap25/cmd/tap25/report"
)

// hear listens for a time as sniff would. If a sniff runs on the interfaces, hear asks it instead.
func hear(ctx context.Context, s *sniffSettings, d time.Duration, interfaces []interfaceFacts) *trafficFacts {
	for i := range interfaces {
		if interfaces[i].attached {
			return hearOfSniff(ctx, s, d)
		}
	}
	before, after, err := listen(ctx, s, d)
	if before == nil {
		return &trafficFacts{err: err}
	}
	facts := heard(before, after)
	facts.err = err
	return facts
}

// hearOfSniff returns what a running sniff counts in a time, if it listens on all the interfaces.
func hearOfSniff(ctx context.Context, s *sniffSettings, d time.Duration) *trafficFacts {
	path := s.control
	if path == "" {
		var err error
		if path, err = report.ControlPath(); err != nil {
			return &trafficFacts{err: err}
		}
	}
	before, err := report.Ask(context.WithoutCancel(ctx), path)
	if err != nil {
		return &trafficFacts{err: fmt.Errorf("another XDP program is attached, and no tap25 sniff answers: %w", err)}
	}
	for _, name := range s.interfaces {
		if !before.ListensOn(name) {
			return &trafficFacts{err: fmt.Errorf("another XDP program is attached to %s; the tap25 sniff that runs listens on %s",
				name, strings.Join(before.Names(), ", "))}
		}
	}
	pause(ctx, d)
	now, err := report.Ask(context.WithoutCancel(ctx), path)
	if err != nil {
		return &trafficFacts{err: err}
	}
	facts := heard(before, now)
	facts.running, facts.full = true, now.RingFull
	return facts
}

// heard is the difference of two reports.
func heard(before, now *report.Report) *trafficFacts {
	t := &trafficFacts{
		time: now.At.Sub(before.At), native: map[string]bool{},
		seen: now.Seen - before.Seen, kept: now.Delivered + now.RingFull - before.Delivered - before.RingFull,
		full: now.RingFull - before.RingFull, cut: now.Cut - before.Cut,
		toServers: now.ToServers - before.ToServers, fromServers: now.FromServers - before.FromServers,
		badChecksums: now.Anomalies["bad checksums"] - before.Anomalies["bad checksums"],
		payload:      report.Sum(now.Payload) - report.Sum(before.Payload), lost: now.LostBytes - before.LostBytes, longest: int(now.Longest),
	}
	for verdict, n := range now.Frames {
		if strings.HasPrefix(verdict, "truncated_") || strings.HasPrefix(verdict, "bad_") {
			t.unread += n - before.Frames[verdict]
		}
	}
	for _, i := range now.Interfaces {
		t.native[i.Name] = i.Native
	}
	return t
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
