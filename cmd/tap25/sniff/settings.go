package sniff

import (
	"errors"
	"fmt"
	"net"
	"os/user"
	"slices"
	"time"

	"tap25/bpf"
	"tap25/capture"
	"tap25/cmd/tap25/rows"
	"tap25/cmd/tap25/scope"
	"tap25/reassembly"
	"tap25/store"
	"tap25/store/stream"
)

// Settings are what a sniff does, and where it writes.
type Settings struct {
	Interfaces []string
	Workers    int // rings, each read by one goroutine
	RingBytes  int // of each
	Inline     bool
	Bodies     bool // octets of messages may stay in the kernel
	Mode       bpf.Mode
	Assembler  reassembly.Config // Sensor, Ports, InterceptPorts and Checksum

	ToStdout   bool      // rows go to standard output
	Form       rows.Form // of these rows
	DSN        string    // else to this database: a connection string, or store.Local
	Spool      string    // directory; "": by the name of the sensor
	Limits     stream.Limits
	ScopeFile  string          // "": every row is recorded
	Scope      *scope.Scope    // what ScopeFile says
	Retention  store.Retention // zero: no day is dropped
	PackAfter  store.Retention // zero: no day is packed
	EndReaders time.Duration   // see store.ExpireConfig
	Key        string          // see stream.Config
	Witness    string          // see stream.Config
	Timestamp  string          // see stream.Config

	Metrics      string   // address to serve metrics on; "": none
	MetricsHosts []string // names that requests may use, besides those of the host
	Control      string   // path of the socket; "": the default
	User         string   // to become; "": the owner of the spool or of the private cluster
	LogLevel     string

	ConfigFile      string // which stays readable
	ExposedPassword bool   // the configuration file holds a password, and any user may read it
}

// Check finds bad settings before anything is changed. The errors name flags of tap25 sniff.
func (s *Settings) Check() error {
	switch {
	case len(s.Interfaces) == 0:
		return errors.New("no interface given: name one with -i")
	case hasTwice(s.Interfaces):
		return errors.New("an interface is given twice: name each one once")
	case s.Workers < 1 || s.Workers > bpf.MaxWorkers:
		return fmt.Errorf("--workers is %d: it must be 1 to %d", s.Workers, bpf.MaxWorkers)
	}
	if err := errors.Join(checkAddress(s.Metrics), checkUser(s.User)); err != nil {
		return err
	}
	for _, name := range s.MetricsHosts {
		if _, ok := hostName(name); !ok {
			return fmt.Errorf("--metrics-host %q is not a host name", name)
		}
	}
	return s.Limits.Check()
}

// checkAddress returns an error if an address for metrics cannot be one. Whether it is an address of this host, or
// free, may change.
func checkAddress(address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("--metrics %q is not an address and a port, such as 127.0.0.1:9425", address)
	}
	return nil
}

// checkUser returns an error if there is no such user.
func checkUser(name string) error {
	if name == "" {
		return nil
	}
	_, err := user.Lookup(name)
	if _, unknown := errors.AsType[user.UnknownUserError](err); unknown {
		return fmt.Errorf("--user %q: there is no such user", name)
	}
	return nil
}

func hasTwice(names []string) bool {
	sorted := slices.Sorted(slices.Values(names))
	return len(slices.Compact(sorted)) != len(names)
}

func (s *Settings) live() capture.LiveConfig {
	return capture.LiveConfig{
		Interfaces: s.Interfaces, Workers: s.Workers, RingBytes: s.RingBytes,
		Ports: s.Assembler.Ports, InterceptPorts: s.Assembler.InterceptPorts, Inline: s.Inline, Mode: s.Mode,
		Bodies: s.Bodies,
	}
}

// unchangeable names the settings that differ and take effect only at the next start.
func (s *Settings) unchangeable(next *Settings) (names []string) {
	for _, c := range []struct {
		name    string
		differs bool
	}{
		{"interface", !slices.Equal(s.Interfaces, next.Interfaces)},
		{"json", s.ToStdout != next.ToStdout}, {"format", s.Form.Format != next.Form.Format},
		{"fields", !slices.Equal(s.Form.Columns, next.Form.Columns)},
		{"community-id", s.Form.CommunityID != next.Form.CommunityID}, {"db", s.DSN != next.DSN},
		{"spool", s.Spool != next.Spool}, {"spool-bytes", s.Limits.Bytes != next.Limits.Bytes},
		{"spool-age", s.Limits.Age != next.Limits.Age}, {"spool-keep", s.Limits.Keep != next.Limits.Keep},
		{"sensor", s.Assembler.Sensor != next.Assembler.Sensor}, {"workers", s.Workers != next.Workers},
		{"ring-bytes", s.RingBytes != next.RingBytes},
		{"intercept-port", !slices.Equal(s.Assembler.InterceptPorts, next.Assembler.InterceptPorts)},
		{"inline", s.Inline != next.Inline}, {"bodies", s.Bodies != next.Bodies}, {"xdp", s.Mode != next.Mode},
		{"checksum", s.Assembler.Checksum != next.Assembler.Checksum}, {"metrics", s.Metrics != next.Metrics},
		{"metrics-host", !slices.Equal(s.MetricsHosts, next.MetricsHosts)}, {"control", s.Control != next.Control},
		{"user", s.User != next.User}, {"retention", s.Retention != next.Retention},
		{"pack-after", s.PackAfter != next.PackAfter},
		{"end-readers-after", s.EndReaders != next.EndReaders}, {"scope", s.ScopeFile != next.ScopeFile},
		{"key", s.Key != next.Key}, {"witness", s.Witness != next.Witness},
		{"timestamp", s.Timestamp != next.Timestamp},
	} {
		if c.differs {
			names = append(names, c.name)
		}
	}
	return names
}
