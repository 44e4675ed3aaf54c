package replay

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"tap25/capture"
	"tap25/cmd/tap25/terminal"
	"tap25/store/numeral"
)

const (
	barEvery  = 200 * time.Millisecond
	lineEvery = 10 * time.Second // in a log, where lines stay
	flushAt   = time.Second      // longest time that a row is buffered, so that the rows of a live pipe appear soon
)

// progress shows how far a replay has got, and flushes its rows from time to time.
type progress struct {
	quit, done chan struct{}
}

// startProgress reports to w: with a bar on a terminal, unless rows go to a terminal too, else in lines.
func startProgress(w, rowsTo io.Writer, files *capture.Files, rows *atomic.Int64, flush func()) *progress {
	p := &progress{quit: make(chan struct{}), done: make(chan struct{})}
	show, every, end := lines(w, files, rows), lineEvery, func() {}
	if terminal.Draws(w) && !terminal.Is(rowsTo) {
		show, end = bar(terminal.Unescaped(w), files, rows)
		every = barEvery
	}
	go func() {
		defer close(p.done)
		defer end()
		reports, flushes := time.NewTicker(every), time.NewTicker(flushAt)
		defer reports.Stop()
		defer flushes.Stop()
		for {
			select {
			case <-p.quit:
				return
			case <-flushes.C:
				flush()
			case <-reports.C:
				show()
			}
		}
	}()
	return p
}

func (p *progress) stop() {
	close(p.quit)
	<-p.done
}

// lines reports in plain lines.
func lines(w io.Writer, files *capture.Files, rows *atomic.Int64) (show func()) {
	start := time.Now()
	return func() {
		done, total := files.Progress()
		rate := float64(done) / time.Since(start).Seconds()
		of, left := "", ""
		if total > 0 && rate > 0 {
			of = fmt.Sprintf(" of %.1f MB (%d%%)", float64(total)/1e6, done*100/total)
			remaining := time.Duration(float64(total-done) / rate * float64(time.Second))
			left = fmt.Sprintf(", %v left", remaining.Round(time.Second))
		}
		fmt.Fprintf(w, "%.1f MB%s read, %.1f MB/s%s, %s rows\n", float64(done)/1e6, of, rate/1e6, left,
			numeral.Grouped(rows.Load()))
	}
}

// bar reports on a terminal: a bar if the total is known, else a spinner, with the rate and the time left. At the end
// it is removed, and the summary takes its place.
func bar(w io.Writer, files *capture.Files, rows *atomic.Int64) (show, end func()) {
	_, total := files.Progress()
	p := mpb.New(mpb.WithOutput(w), mpb.WithWidth(40), mpb.WithRefreshRate(barEvery))
	rowCount := decor.Any(func(decor.Statistics) string {
		return numeral.Grouped(rows.Load()) + " rows"
	}, decor.WCSyncSpaceR)
	options := []mpb.BarOption{mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.CountersKiloByte("% .1f / % .1f", decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.AverageSpeed(decor.SizeB1000(0), "% .1f", decor.WCSyncSpaceR),
			decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpaceR), decor.Name("left", decor.WCSyncSpaceR), rowCount)}
	style := mpb.BarFillerBuilder(mpb.BarStyle())
	if total == 0 {
		style = mpb.SpinnerStyle().PositionLeft()
		options = []mpb.BarOption{mpb.BarRemoveOnComplete(), mpb.BarWidth(1),
			mpb.AppendDecorators(decor.CurrentKiloByte("% .1f", decor.WCSyncSpaceR),
				decor.AverageSpeed(decor.SizeB1000(0), "% .1f", decor.WCSyncSpaceR), rowCount)}
	}
	b := p.New(total, style, options...)
	show = func() {
		done, _ := files.Progress()
		if total > 0 {
			done = min(done, total-1) // mpb removes a full bar, which must not happen before the end
		}
		b.SetCurrent(done)
	}
	return show, func() {
		b.Abort(true)
		p.Wait()
	}
}
