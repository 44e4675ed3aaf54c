package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"tap25/bpf"
	"tap25/capture"
	"tap25/reassembly"
	"tap25/store"
)

// changedFlags returns the flags that the command line sets, with their values.
func changedFlags(flags *pflag.FlagSet) map[string][]string {
	given := map[string][]string{}
	flags.Visit(func(f *pflag.Flag) { given[f.Name] = flagValues(f) })
	return given
}

func flagValues(f *pflag.Flag) []string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	return []string{f.Value.String()}
}

func setFlag(f *pflag.Flag, values []string) error {
	f.Changed = true
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.Replace(values)
	}
	if len(values) != 1 {
		return errors.New("takes one value, not a list")
	}
	return f.Value.Set(values[0])
}

// rereadSettings reads environment and file again, with the same command line.
func rereadSettings(given map[string][]string) (*sniffSettings, error) {
	s := &sniffSettings{}
	flags := pflag.NewFlagSet("sniff", pflag.ContinueOnError)
	sniffFlags(flags, s)
	for name, values := range given {
		if err := setFlag(flags.Lookup(name), values); err != nil {
			return nil, err
		}
	}
	return s, s.complete(flags)
}

// complete adds the environment and the file to the flags of the command line, and checks the result.
func (s *sniffSettings) complete(flags *pflag.FlagSet) error {
	if err := fromEnvironment(flags); err != nil {
		return err
	}
	if s.config != "" {
		exposed, err := fromFile(flags, s.config)
		if err != nil {
			return err
		}
		s.exposedPassword = exposed
	}
	if s.workers == 0 {
		s.workers = min(runtime.NumCPU(), 8)
	}
	if s.sensor == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("read the host name: %w; name the tap with --sensor", err)
		}
		s.sensor = name
	}
	return s.check()
}

// fromFile sets the flags that neither the command line nor the environment sets. It reports whether the file holds a password
// that any user may read.
func fromFile(flags *pflag.FlagSet, path string) (exposed bool, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("read configuration: %w", err)
	}
	k := koanf.New("\x00") // a delimiter that no key has, so that dots mean nothing
	if err := k.Load(rawbytes.Provider(data), yaml.Parser()); err != nil {
		return false, fmt.Errorf("read configuration %s: %w", path, err)
	}
	for _, name := range slices.Sorted(maps.Keys(k.All())) {
		f := flags.Lookup(name)
		if f == nil || name == "config" || name == "help" {
			return false, fmt.Errorf("read configuration %s: unknown setting %q; settings have the names of the flags of tap25 sniff",
				path, name)
		}
		if f.Changed {
			continue
		}
		if err := setFlag(f, fileValues(k.Get(name))); err != nil {
			return false, fmt.Errorf("read configuration %s: %s: %w", path, name, err)
		}
	}
	st, err := os.Stat(path)
	return err == nil && st.Mode().Perm()&0o004 != 0 && hasPassword(k.String("db")), nil
}

func fileValues(v any) []string {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var values []string
	for _, e := range list {
		values = append(values, fmt.Sprint(e))
	}
	return values
}

// check finds bad settings before anything is changed.
func (s *sniffSettings) check() error {
	var err error
	switch {
	case len(s.interfaces) == 0:
		err = errors.New("no interface given: name one with -i")
	case hasTwice(s.interfaces):
		err = errors.New("an interface is given twice: name each one once")
	case s.json && s.db != "":
		err = errors.New("--json and --db cannot be used together")
	case s.workers < 1 || s.workers > bpf.MaxWorkers:
		err = fmt.Errorf("--workers is %d: it must be 1 to %d", s.workers, bpf.MaxWorkers)
	case !slices.Contains([]string{"auto", "native", "generic"}, s.xdp):
		err = fmt.Errorf("--xdp %q is not auto, native or generic", s.xdp)
	case !slices.Contains([]string{"debug", "info", "warn", "error"}, s.logLevel):
		err = fmt.Errorf("--log-level %q is not debug, info, warn or error", s.logLevel)
	}
	for _, name := range s.metricsHosts {
		if _, ok := hostName(name); err == nil && !ok {
			err = fmt.Errorf("--metrics-host %q is not a host name", name)
		}
	}
	if err == nil && s.retention != "never" {
		if _, parseErr := store.ParseRetention(s.retention); parseErr != nil {
			err = fmt.Errorf("--retention: %w", parseErr)
		}
	}
	if err != nil {
		return &usageError{err}
	}
	_, err = s.reassembly()
	return errors.Join(err, usage(s.limits.Check()))
}

func hasTwice(names []string) bool {
	sorted := slices.Sorted(slices.Values(names))
	return len(slices.Compact(sorted)) != len(names)
}

// reassembly returns the settings of each worker's Assembler, checked as those of replay.
func (s *sniffSettings) reassembly() (reassembly.Config, error) {
	return assembler(s.sensor, s.ports, s.checksum)
}

func (s *sniffSettings) portSet() []uint16 {
	set := make([]uint16, len(s.ports))
	for i, p := range s.ports {
		set[i] = uint16(p)
	}
	return set
}

func (s *sniffSettings) live() capture.LiveConfig {
	mode := map[string]bpf.Mode{"auto": bpf.Auto, "native": bpf.Native, "generic": bpf.Generic}[s.xdp]
	return capture.LiveConfig{
		Interfaces: s.interfaces, Workers: s.workers, RingBytes: s.ringBytes, Ports: s.portSet(), Inline: s.inline, Mode: mode,
	}
}

func (s *sniffSettings) level() zerolog.Level {
	level, _ := zerolog.ParseLevel(s.logLevel)
	return level
}

// unchangeable names the settings that differ and take effect only at the next start.
func (s *sniffSettings) unchangeable(next *sniffSettings) (names []string) {
	for _, c := range []struct {
		name    string
		differs bool
	}{
		{"interface", !slices.Equal(s.interfaces, next.interfaces)}, {"json", s.json != next.json}, {"db", s.db != next.db},
		{"spool", s.spool != next.spool}, {"spool-bytes", s.limits.Bytes != next.limits.Bytes},
		{"spool-age", s.limits.Age != next.limits.Age}, {"spool-keep", s.limits.Keep != next.limits.Keep},
		{"sensor", s.sensor != next.sensor}, {"workers", s.workers != next.workers},
		{"ring-bytes", s.ringBytes != next.ringBytes}, {"inline", s.inline != next.inline}, {"xdp", s.xdp != next.xdp},
		{"checksum", s.checksum != next.checksum}, {"metrics", s.metrics != next.metrics},
		{"metrics-host", !slices.Equal(s.metricsHosts, next.metricsHosts)}, {"control", s.control != next.control},
		{"user", s.user != next.user}, {"retention", s.retention != next.retention}, {"end-readers-after", s.endReaders != next.endReaders},
	} {
		if c.differs {
			names = append(names, c.name)
		}
	}
	return names
}
