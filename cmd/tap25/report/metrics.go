package report

import (
	"net"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Collector turns reports into Prometheus metrics; each collection calls of once.
func Collector(of func() *Report) prometheus.Collector { return collector{of} }

type collector struct{ of func() *Report }

// Describe implements prometheus.Collector: an unchecked one, since the labels are those of the report.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	r := c.of()
	one := func(kind prometheus.ValueType, name, help string, v int64) {
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc("tap25_"+name, help, nil, nil), kind, float64(v))
	}
	many := func(name, help, label string, counts map[string]int64) {
		desc := prometheus.NewDesc("tap25_"+name, help, []string{label}, nil)
		for value, n := range Named(counts) {
			value = strings.ToLower(strings.NewReplacer(" ", "_", "-", "_").Replace(value))
			out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), value)
		}
	}
	const counter, gauge = prometheus.CounterValue, prometheus.GaugeValue
	one(counter, "frames_seen_total", "Frames that the XDP program ran on.", r.Seen)
	many("frames_dropped_total", "Frames dropped by design, by verdict of the XDP program.", "verdict", r.Dropped)
	r.ringMetrics(out)
	one(counter, "frames_delivered_total", "Frames copied to a ring.", r.Delivered)
	one(counter, "frames_cut_total", "Delivered frames that were longer than the largest size class, and cut.", r.Cut)
	many("frames_read_total", "Frames read from the rings, by verdict of the decoder.", "verdict", r.Frames)
	r.unopenedMetrics(out)
	one(counter, "octets_read_total", "Octets on the wire of the frames read.", r.Octets)
	many("payload_octets_total", "Octets of TCP payload, by fate.", "fate", r.Payload)
	one(counter, "lost_octets_total", "Octets of TCP payload that were not captured.", r.LostBytes)
	many("segments_total", "TCP segments of the SMTP ports, by direction.", "direction",
		map[string]int64{"to_servers": r.ToServers, "from_servers": r.FromServers})
	one(counter, "sessions_total", "TCP connections with payload.", r.Sessions)
	many("session_ends_total", "Sessions that did not end normally, by kind.", "end", r.SessionEnds)
	many("rows_total", "Rows emitted, by outcome.", "outcome", r.Outcomes)
	many("rows_out_of_scope_total", "Rows that went nowhere, because they are not in scope, by rule.", "rule",
		r.OutOfScope)
	many("anomalies_total", "Anomalies in the traffic, by kind.", "what", r.Anomalies)
	one(counter, "clock_steps_total", "Steps of the wall clock.", r.ClockSteps)
	out <- prometheus.MustNewConstMetric(prometheus.NewDesc("tap25_clock_skew_seconds",
		"Difference of the clocks of a connection's two directions, at least: the largest seen.", nil, nil),
		gauge, r.ClockSkew.Seconds())
	up := prometheus.NewDesc("tap25_interface_up", "1 if the interface exists, is up, has carrier, and is captured.",
		[]string{"interface"}, nil)
	for _, i := range r.Interfaces {
		out <- prometheus.MustNewConstMetric(up, gauge, float64(toInt(i.Up && !i.Away)), i.Name)
	}
	one(gauge, "live", "1 if packets and loads make progress.", toInt(len(r.NotLive) == 0))
	one(gauge, "degraded", "1 if mail is recorded, but frames were lost to full rings within a minute, or the database "+
		"does not accept rows.", toInt(len(r.Degraded) > 0))
	one(gauge, "ready", "1 if live, every interface is up and captured, and the spool accepts rows.",
		toInt(len(r.NotLive)+len(r.NotReady) == 0))
	if r.Store != nil {
		r.Store.metrics(one)
	}
}

// metrics calls one for each metric of the rows.
func (s *Store) metrics(one func(kind prometheus.ValueType, name, help string, n int64)) {
	const counter, gauge = prometheus.CounterValue, prometheus.GaugeValue
	one(counter, "coverage_records_total", "Records of coverage, which the metrics of the spool and the "+
		"database count among the rows.", s.Coverage)
	one(counter, "rows_spooled_total", "Rows and records of coverage written to the disk of the spool.", s.Spooled)
	one(gauge, "rows_in_memory", "Rows and records of coverage that the disk of the spool has not taken yet.", s.InMemory)
	one(counter, "rows_lost_total", "Rows lost because the spool was full.", s.Lost)
	one(counter, "rows_loaded_total", "Rows and records of coverage loaded into the database.", s.Loaded)
	one(counter, "rows_found_total", "Rows found in the spool at the start.", s.Found)
	one(counter, "rows_damaged_total", "Rows lost because files of the spool were damaged.", s.Damaged)
	one(gauge, "rows_waiting", "Rows that wait in the spool to be loaded.", s.Waiting)
	one(counter, "rows_set_aside_total", "Rows that the database refused.", s.SetAside)
	one(gauge, "rows_kept", "Loaded rows that stay in the spool in case a failover loses them.", s.Kept)
	one(counter, "rows_kept_short_total",
		"Loaded rows that left the spool before --spool-keep, because it needed the space.", s.KeptShort)
	one(gauge, "rows_reloading", "Rows that the database lost and that wait to be loaded again.", s.Reloading)
	one(counter, "rows_reloaded_total", "Rows that the database lost and that were loaded again.", s.Reloaded)
	one(gauge, "database_away", "1 if the database does not answer, so that the spool grows.", toInt(s.Away))
}

// ringMetrics sends what full rings lost, a series for each interface and worker, also of those that lost nothing.
func (r *Report) ringMetrics(out chan<- prometheus.Metric) {
	desc := prometheus.NewDesc("tap25_frames_ring_full_total", "Frames lost because the ring of a worker was full, by "+
		"the interface that they came from.", []string{"interface", "worker"}, nil)
	for worker, ring := range r.Rings {
		for name, n := range Named(ring.FullFrom) {
			out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), name, strconv.Itoa(worker))
		}
	}
}

// unopenedMetrics sends the most frequent kinds of frames that are not read: a gauge, since rare kinds come and go.
func (r *Report) unopenedMetrics(out chan<- prometheus.Metric) {
	desc := prometheus.NewDesc("tap25_frames_unopened", "Frames that may hold a tunnel which tap25 does not read: "+
		"the most frequent kinds, by what they hold.", []string{"what"}, nil)
	for _, f := range r.Unopened {
		what := strings.ReplaceAll(f.What, " ", "_")
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(f.Frames), what)
	}
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
