package report

import (
	"maps"
	"net"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tap25/store"
)

// Collector turns reports into Prometheus metrics; each collection calls of once.
func Collector(of func() *Report) prometheus.Collector { return collector{of} }

type collector struct{ of func() *Report }

// Describe implements prometheus.Collector: an unchecked one, since the labels are those of the report.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	r, m := c.of(), metrics{out}
	m.traffic(r)
	m.rows(r)
	m.rings(r)
	m.machine(r)
	if r.Store != nil {
		m.store(r.Store)
	}
}

// metrics sends metrics, without the prefix in their names.
type metrics struct{ out chan<- prometheus.Metric }

const counter, gauge = prometheus.CounterValue, prometheus.GaugeValue

func (m metrics) send(kind prometheus.ValueType, name, help string, v float64, labels ...string) {
	var names, values []string
	for i := 0; i < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	m.out <- prometheus.MustNewConstMetric(prometheus.NewDesc("tap25_"+name, help, names, nil), kind, v, values...)
}

func (m metrics) counter(name, help string, n int64) { m.send(counter, name, help, float64(n)) }
func (m metrics) gauge(name, help string, n int64)   { m.send(gauge, name, help, float64(n)) }

// counters sends one counter for each name, as the value of a label: with "_" for blanks and hyphens. more are further
// labels.
func (m metrics) counters(name, help, label string, counts map[string]int64, more ...string) {
	for value, n := range Named(counts) {
		value = strings.ToLower(strings.NewReplacer(" ", "_", "-", "_").Replace(value))
		m.send(counter, name, help, float64(n), append([]string{label, value}, more...)...)
	}
}

// time sends the seconds since 1970, or nothing for the zero time.
func (m metrics) time(name, help string, t time.Time) {
	if !t.IsZero() {
		m.send(gauge, name, help, float64(t.UnixMilli())/1000)
	}
}

func (m metrics) traffic(r *Report) {
	m.counters("frames_read_total", "Frames read from the rings, by verdict of the decoder.", "verdict", r.Frames)
	for _, f := range r.Unopened { // a gauge, since rare kinds come and go
		m.send(gauge, "frames_unopened", "Frames that may hold a tunnel which tap25 does not read: the most frequent "+
			"kinds, by what they hold.", float64(f.Frames), "what", strings.ReplaceAll(f.What, " ", "_"))
	}
	m.counters("payload_bytes_total", "Bytes of TCP payload, by fate.", "fate", without(r.Payload, heldPayload))
	m.gauge("payload_held_bytes", "Bytes of TCP payload that wait for what comes before them.", r.Payload[heldPayload])
	m.counter("payload_lost_bytes_total", "Bytes of TCP payload that were not captured.", r.LostBytes)
	if b := r.Bodies; b != nil {
		m.counter("payload_left_in_kernel_bytes_total", "Bytes of messages that stayed in the kernel. They count as payload, too.",
			b.Octets)
		m.counter("marks_total", "Connections that were marked in a long message, so that it may stay in the kernel.",
			b.Marks)
		m.counter("marks_missed_total", "Segments of long messages whose connection could not be marked.", b.Missed)
		m.gauge("marks", "Connections that are marked.", b.Active)
	}
	m.counters("segments_total", "TCP segments of the SMTP ports, by direction.", "direction",
		map[string]int64{"to_servers": r.ToServers, "from_servers": r.FromServers})
	m.counter("sessions_total", "TCP connections with payload.", r.Sessions)
	m.counters("session_ends_total", "Sessions that did not end normally, by kind.", "end", r.SessionEnds)
	m.counters("anomalies_total", "Anomalies in the traffic, by kind.", "kind",
		without(r.Anomalies, notCompared, leftUnread, capturedTwice))
	m.counter("payload_not_compared_bytes_total",
		"Bytes of copies that could not be compared with those seen before, and may have been taken for them.",
		r.Anomalies[notCompared])
	m.counter("payload_unread_bytes_total", "Bytes of clients left unread after holes in both directions.",
		r.Anomalies[leftUnread])
	m.counter("rows_captured_twice_total", "Rows left out because another capture of the connection had them.",
		r.Anomalies[capturedTwice])
}

// without returns a copy of counters without some of them.
func without(counts map[string]int64, names ...string) map[string]int64 {
	counts = maps.Clone(counts)
	for _, name := range names {
		delete(counts, name)
	}
	return counts
}

func (m metrics) rows(r *Report) {
	m.counters("rows_total", "Rows emitted, one for each recipient, by outcome.", "outcome", r.Outcomes)
	m.counters("mails_total", "Mail transactions, by the best outcome of their recipients.", "outcome", r.Mails)
	m.counters("rows_out_of_scope_total", "Rows that went nowhere, because they are not in scope, by rule.", "rule",
		r.OutOfScope)
	m.time("last_mail_timestamp_seconds", "When the last row was emitted, in scope or not.", r.LastMail)
}

func (m metrics) rings(r *Report) {
	for i, w := range r.Workers {
		worker := strconv.Itoa(i)
		m.send(gauge, "ring_capacity_bytes", "Size of a ring.", float64(w.Capacity), "worker", worker)
		m.send(gauge, "ring_used_bytes", "What waits in a ring.", float64(w.Used), "worker", worker)
	}
	for _, i := range r.Interfaces {
		m.frames(&i)
		m.send(gauge, "interface_up", "1 if the interface exists, is up, has carrier, and is captured.",
			float64(toInt(i.Up && !i.Away)), "interface", i.Name)
		m.send(counter, "interface_frames_read_total", "Frames read from the rings, by the interface they came from.",
			float64(i.Frames), "interface", i.Name)
		m.send(counter, "interface_read_bytes_total", "Bytes on the wire of these frames.", float64(i.Octets),
			"interface", i.Name)
	}
}

// frames sends what the XDP program has counted on an interface.
func (m metrics) frames(i *Interface) {
	m.send(counter, "frames_seen_total", "Frames that the XDP program ran on.", float64(i.Seen), "interface", i.Name)
	m.counters("frames_dropped_total", "Frames dropped by design, by verdict of the XDP program.", "verdict", i.Dropped,
		"interface", i.Name)
	for worker, ring := range i.Rings {
		labels := []string{"interface", i.Name, "worker", strconv.Itoa(worker)}
		m.send(counter, "frames_ring_full_total", "Frames lost because the ring of a worker was full.",
			float64(ring.Full), labels...)
		m.send(counter, "frames_delivered_total", "Frames copied to a ring.", float64(ring.Delivered), labels...)
		m.send(counter, "frames_cut_total", "Delivered frames that were longer than the largest size class, and cut.",
			float64(ring.Cut), labels...)
	}
}

func (m metrics) machine(r *Report) {
	m.send(gauge, "build_info", "1; the labels tell the program that runs.", 1, "version", r.Release(), "goversion",
		runtime.Version())
	m.gauge("live", "1 if packets and loads make progress.", toInt(len(r.NotLive) == 0))
	m.gauge("ready", "1 if live, every interface is up and captured, and the spool accepts rows.",
		toInt(len(r.NotLive)+len(r.NotReady) == 0))
	m.gauge("degraded", "1 if frames were lost to full rings within a minute, or the database does not accept rows.", toInt(len(r.Degraded) > 0))
	m.counter("clock_steps_total", "Steps of the wall clock.", r.ClockSteps)
	m.send(gauge, "clock_skew_seconds",
		"Difference of the clocks of a connection's two directions, at least: the largest seen.", r.ClockSkew.Seconds())
	if c := r.Clock; c != nil {
		m.gauge("clock_synchronized", "1 if the kernel says that something keeps the clock synchronized.",
			toInt(c.Synchronized))
		m.send(gauge, "clock_offset_seconds", "Offset of the clock that the kernel corrects at present.",
			c.Offset.Seconds())
		m.send(gauge, "clock_estimated_error_seconds", "Error of the clock, as what synchronizes it estimates.",
			c.EstimatedError.Seconds())
	}
}

func (m metrics) store(s *Store) {
	m.counter("coverage_records_total", "Records of coverage, which the metrics of the spool and the database count "+
		"among the rows.", s.Coverage)
	m.counter("rows_spooled_total", "Rows and records of coverage written to the disk of the spool.", s.Spooled)
	m.gauge("rows_in_memory", "Rows and records of coverage that the disk of the spool has not taken yet.", s.InMemory)
	m.counter("rows_lost_total", "Rows lost because the spool was full.", s.Lost)
	m.counter("rows_loaded_total", "Rows and records of coverage loaded into the database.", s.Loaded)
	m.counter("rows_found_total", "Rows found in the spool at the start.", s.Found)
	m.counter("rows_damaged_total", "Rows lost because files of the spool were damaged.", s.Damaged)
	m.gauge("rows_waiting", "Rows that wait in the spool to be loaded.", s.Waiting)
	m.counter("rows_set_aside_total", "Rows that the database refused.", s.SetAside)
	m.gauge("rows_kept", "Loaded rows that stay in the spool in case a failover loses them.", s.Kept)
	m.counter("rows_kept_short_total",
		"Loaded rows that left the spool before --spool-keep, because it needed the space.", s.KeptShort)
	m.gauge("rows_reloading", "Rows that the database lost and that wait to be loaded again.", s.Reloading)
	m.counter("rows_reloaded_total", "Rows that the database lost and that were loaded again.", s.Reloaded)
	m.gauge("spool_bytes", "Size of the spool's files.", s.SpoolBytes)
	m.gauge("spool_limit_bytes", "What the spool's files may take.", s.SpoolLimit)
	m.send(gauge, "spool_oldest_waiting_seconds", "Age of the oldest rows that wait; 0 if none wait.", s.Age.Seconds())
	m.disk("spool", "the spool", s.SpoolDisk)
	m.gauge("database_away", "1 if the database does not answer, so that the spool grows.", toInt(s.Away))
	if s.DatabaseBytes > 0 {
		m.gauge("database_size_bytes", "Size of the database, asked each minute.", s.DatabaseBytes)
	}
	m.disk("database", "the private PostgreSQL", s.DatabaseDisk)
	m.time("last_load_timestamp_seconds", "When the last load ended that succeeded.", s.LastLoad)
	m.loads(&s.Loads)
}

// disk sends the free bytes and the size of a file system, or nothing if they are not known.
func (m metrics) disk(name, of string, d *Disk) {
	if d == nil {
		return
	}
	m.gauge(name+"_disk_free_bytes", "Bytes that can still be written to the disk of "+of+".", d.Free)
	m.gauge(name+"_disk_size_bytes", "Size of the disk of "+of+".", d.Size)
}

func (m metrics) loads(l *store.LoadDurations) {
	count, buckets := uint64(0), map[float64]uint64{}
	for i, n := range l.Each {
		count += uint64(n)
		if i < len(store.LoadBounds) {
			buckets[store.LoadBounds[i]] = count
		}
	}
	m.out <- prometheus.MustNewConstHistogram(prometheus.NewDesc("tap25_load_duration_seconds",
		"How long the loads took that succeeded.", nil, nil), count, l.Total.Seconds(), buckets)
}

func toInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// ExposedMetrics is the warning about an address of --metrics that other hosts can reach.
const ExposedMetrics = "every host that reaches the address can read them, in the clear and without a password: " +
	"bind 127.0.0.1, or restrict access with a firewall"

// Loopback reports whether only this host can reach an address.
func Loopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
