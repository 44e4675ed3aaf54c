package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"tap25/capture"
	"tap25/reassembly"
	"tap25/reassembly/smtp"
)

// hear listens for a time, as sniff would, and leaves every frame to the host. If a sniff runs on the interfaces, hear asks it
// instead.
func hear(ctx context.Context, s *sniffSettings, d time.Duration, interfaces []interfaceFacts) *trafficFacts {
	for i := range interfaces {
		if interfaces[i].attached {
			return hearOfSniff(ctx, s, d)
		}
	}
	settings := *s
	settings.inline = true
	t := &tap{settings: &settings, out: &output{}, started: time.Now()}
	cfg, err := settings.reassembly()
	if err != nil {
		return &trafficFacts{err: err}
	}
	if t.live, err = capture.OpenLive(settings.live()); err != nil {
		return &trafficFacts{err: err}
	}
	started := time.Now()
	err = t.takeIn(ctx, d, cfg)
	facts := heard(&report{At: started}, t.report())
	facts.err = errors.Join(err, t.live.Close())
	return facts
}

// takeIn reads the rings for a time, then empties them.
func (t *tap) takeIn(ctx context.Context, d time.Duration, cfg reassembly.Config) error {
	cfg.Emit = func(*smtp.Envelope) {}
	late := graceAfter(ctx)
	var running sync.WaitGroup
	errs := make([]error, len(t.live.Workers()))
	for i, source := range t.live.Workers() {
		w := newWorker(source, cfg, func() {})
		t.workers = append(t.workers, w)
		running.Go(func() { errs[i] = w.run(late) })
	}
	pause(ctx, d)
	err := t.live.Stop()
	running.Wait()
	return errors.Join(append(errs, err)...)
}

// hearOfSniff returns what a running sniff counts in a time, if it listens on all the interfaces.
func hearOfSniff(ctx context.Context, s *sniffSettings, d time.Duration) *trafficFacts {
	path := s.control
	if path == "" {
		var err error
		if path, err = controlPath(); err != nil {
			return &trafficFacts{err: err}
		}
	}
	before, err := askReport(context.WithoutCancel(ctx), path)
	if err != nil {
		return &trafficFacts{err: fmt.Errorf("another XDP program is attached, and no tap25 sniff answers: %w", err)}
	}
	for _, name := range s.interfaces {
		if !before.listensOn(name) {
			return &trafficFacts{err: fmt.Errorf("another XDP program is attached to %s; the tap25 sniff that runs listens on %s",
				name, strings.Join(before.names(), ", "))}
		}
	}
	pause(ctx, d)
	now, err := askReport(context.WithoutCancel(ctx), path)
	if err != nil {
		return &trafficFacts{err: err}
	}
	facts := heard(before, now)
	facts.running, facts.full = true, now.RingFull
	return facts
}

func (r *report) names() (list []string) {
	for _, i := range r.Interfaces {
		list = append(list, i.Name)
	}
	return list
}

func (r *report) listensOn(name string) bool {
	for _, i := range r.Interfaces {
		if i.Name == name {
			return !i.Away
		}
	}
	return false
}

// heard is the difference of two reports.
func heard(before, now *report) *trafficFacts {
	t := &trafficFacts{
		time: now.At.Sub(before.At), native: map[string]bool{},
		seen: now.Seen - before.Seen, kept: now.Delivered + now.RingFull - before.Delivered - before.RingFull,
		full: now.RingFull - before.RingFull, cut: now.Cut - before.Cut,
		toServers: now.ToServers - before.ToServers, fromServers: now.FromServers - before.FromServers,
		badChecksums: now.Anomalies["bad checksums"] - before.Anomalies["bad checksums"],
		payload:      sumOf(now.Payload) - sumOf(before.Payload), lost: now.LostBytes - before.LostBytes, longest: int(now.Longest),
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
