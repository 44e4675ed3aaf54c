package smtp_test

import (
	"maps"
	"runtime"
	"strings"
	"testing"
	"time"

	"tap25/reassembly/smtp"
)

// A flood is a dialogue with somebody who wants it to take long. It counts what it takes.
type flood struct {
	d      *smtp.Dialogue
	stats  smtp.Stats
	octets [2]int64
	events int64
	given  int64 // octets pushed
	held   int   // the most that was held
}

func (f *flood) at(dir smtp.Direction, acked int64, data string) {
	f.d.Push(dir, epoch.Add(time.Duration(f.events)*time.Millisecond), []byte(data), acked)
	f.octets[dir] += int64(len(data))
	f.given += int64(len(data))
	f.events++
	f.held = max(f.held, f.d.Held())
}

// Each side acknowledges all that the other has sent, missed or not.
func (f *flood) client(data string) { f.at(smtp.FromClient, f.octets[smtp.FromServer], data) }
func (f *flood) server(data string) { f.at(smtp.FromServer, f.octets[smtp.FromClient], data) }

func (f *flood) lose(dir smtp.Direction, n int64) {
	f.d.Lost(dir, epoch, n)
	f.octets[dir] += n
	f.events++
}

func (f *flood) loseClient(n int64) { f.lose(smtp.FromClient, n) }
func (f *flood) loseServer(n int64) { f.lose(smtp.FromServer, n) }
func (f *flood) loseBoth()          { f.loseClient(7); f.loseServer(9) }

// pipelined sends n commands in full segments that acknowledge nothing new.
func (f *flood) pipelined(n int, command string) {
	acked := f.octets[smtp.FromServer]
	for group := 1400/len(command) + 1; n > 0; n -= group {
		f.at(smtp.FromClient, acked, strings.Repeat(command, min(n, group)))
	}
}

// mail opens a transaction up to its message.
func (f *flood) mail() {
	f.client("MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n")
	f.server("250 ok\r\n250 ok\r\n354 go\r\n")
}

// floods are what may be sent, n times over.
func floods() map[string]func(f *flood, n int) {
	all := maps.Clone(floodsOfHoles)
	maps.Copy(all, floodsOfOctets)
	maps.Copy(all, floodsOfCommands)
	maps.Copy(all, floodsOfHeads)
	return all
}

// runFlood returns what a flood took, and how many octets were allocated for it.
func runFlood(name string, n int) (f *flood, allocated uint64) {
	f = new(flood)
	f.d = smtp.New(&smtp.Config{Emit: func(*smtp.Envelope) {}, Stats: &f.stats}, testSession)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f.server("220 mx.example\r\n")
	floods()[name](f, n)
	f.d.Close(epoch, false)
	runtime.ReadMemStats(&after)
	return f, after.TotalAlloc - before.TotalAlloc
}

// Twice as much of anything costs twice as much, and nothing costs much more than what is read of it.
func TestDialogue_WhatAnEventCostsDoesNotGrowWithWhatCameBefore(t *testing.T) {
	const n = 5000
	for name := range floods() {
		t.Run(name, func(t *testing.T) {
			once, memory := runFlood(name, n)
			twice, memoryTwice := runFlood(name, 2*n)
			t.Logf("%d steps for %d events and %d octets, %d octets allocated, %d held; %d steps, %d allocated, %d "+
				"held for twice as many",
				once.stats.Steps, once.events, once.given, memory, once.held, twice.stats.Steps, memoryTwice,
				twice.held)
			if 2*twice.stats.Steps > 5*once.stats.Steps+5*once.events {
				t.Errorf("%d steps, %d for twice as much", once.stats.Steps, twice.stats.Steps)
			}
			if 2*memoryTwice > 5*memory+1<<18 {
				t.Errorf("%d octets allocated, %d for twice as much", memory, memoryTwice)
			}
			if twice.held > mostHeld {
				t.Errorf("%d octets held", twice.held)
			}
			if limit := 16*twice.events + twice.given/4; name != costly && twice.stats.Steps > limit {
				t.Errorf("%d steps, want no more than %d", twice.stats.Steps, limit)
			}
			if got := twice.stats.GivenUp > 0; got != (name == costly) {
				t.Errorf("given up: %v", got)
			}
		})
	}
}

// costly is what is not followed to its end: a command was sent by somebody who had received less than for the one
// before it, so that all commands before it are looked at one by one.
const costly = "octets behind a reply whose head may be missed"

// mostHeld is what 131,072 commands and recipients take.
const mostHeld = 96 << 20
