package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"tap25/reassembly"
	"tap25/store"
	"tap25/store/stream"
)

// refuseEmpty is the error of a flag that was given without a value, as by --scope "$SCOPE" if SCOPE is not set: with the
// default in its place more would be recorded, exported or opened than was meant.
func refuseEmpty(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		if isEmpty(f) && err == nil {
			err = &usageError{fmt.Errorf("--%s is empty: give it a value, or leave it out", f.Name)}
		}
	})
	return err
}

// isEmpty reports whether the value of a flag is no text, or a list without one.
func isEmpty(f *pflag.Flag) bool {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return strings.Join(list.GetSlice(), "") == ""
	}
	return f.Value.String() == ""
}

// fromEnvironment sets the flags that the command line does not set, from variables TAP25_NAME. An empty one counts as
// not set: the configuration file then decides.
func fromEnvironment(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		name := variableOf(f.Name)
		if value, ok := os.LookupEnv(name); ok && value != "" && !f.Changed && err == nil && f.Name != "help" {
			if setErr := flags.Set(f.Name, value); setErr != nil {
				err = &usageError{fmt.Errorf("environment variable %s: %w", name, explainValue(f, value, setErr))}
			}
		}
	})
	return err
}

// variableOf is the environment variable that sets a flag.
func variableOf(flag string) string {
	return "TAP25_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// portFlags adds --port and --intercept-port.
func portFlags(f *pflag.FlagSet, ports, intercepts *[]uint) {
	f.UintSliceVar(ports, "port", []uint{25}, "TCP port of SMTP; may be repeated")
	f.UintSliceVar(intercepts, "intercept-port", []uint{reassembly.DefaultInterceptPort},
		"UDP port to which routers send the packets "+
			"of lawful intercepts, with the headers of Nokia or Juniper; may be repeated")
}

// checksumFlag adds --checksum.
func checksumFlag(f *pflag.FlagSet, policy *string) {
	f.StringVar(policy, "checksum", "auto",
		"what to do with segments whose TCP checksum is wrong: strict ignores them, off accepts them, "+
			"auto accepts what its receiver acknowledged, unless it came again with a right one")
}

// portNumbers returns the values of a flag.
func portNumbers(flag, protocol string, values []uint) (ports []uint16, err error) {
	for _, p := range values {
		if p == 0 || p > 65535 {
			return nil, &usageError{fmt.Errorf("--%s %d is not a %s port: it must be 1 to 65535", flag, p, protocol)}
		}
		ports = append(ports, uint16(p))
	}
	return ports, nil
}

// assembler returns the settings of Assemblers that --sensor, --port, --intercept-port and --checksum make; the host's
// name is the default of sensor.
func assembler(sensor string, ports, intercepts []uint, checksum string) (cfg reassembly.Config, err error) {
	if cfg.Checksum, err = reassembly.ParseChecksumPolicy(checksum); err != nil {
		return cfg, &usageError{fmt.Errorf("--checksum %w", err)}
	}
	if cfg.Ports, err = portNumbers("port", "TCP", ports); err != nil {
		return cfg, err
	}
	if cfg.InterceptPorts, err = portNumbers("intercept-port", "UDP", intercepts); err != nil {
		return cfg, err
	}
	if cfg.Sensor = sensor; sensor == "" {
		if cfg.Sensor, err = os.Hostname(); err != nil {
			return cfg, fmt.Errorf("read the host name: %w; name the tap with --sensor", err)
		}
	}
	return cfg, nil
}

// scopeFlag adds --scope.
func scopeFlag(f *pflag.FlagSet, path *string) {
	f.StringVar(path, "scope", "",
		"YAML file that says which rows may be recorded; the others are only counted (default: all)")
}

// spoolFlags adds the flags that set the limits of the spool.
func spoolFlags(f *pflag.FlagSet, l *stream.Limits) {
	f.Int64Var(&l.Bytes, "spool-bytes", 10<<30,
		"largest size of the spool in bytes; it also leaves 64 MiB of its disk free, "+
			"or a sixteenth of a small disk")
	f.DurationVar(&l.Age, "spool-age", 0,
		"the spool accepts no more rows once its oldest has waited for this long, such as 720h (default: no limit)")
	f.DurationVar(&l.Keep, "spool-keep", 10*time.Minute,
		"how long loaded rows stay in the spool, to be loaded again if a failover loses them; "+
			"they use at most a quarter of --spool-bytes and are deleted first if space is needed; 0 deletes them at "+
			"once")
}

// never is the value of --retention that drops no day.
const never = "never"

// retentionFlag adds --retention to a command that expires days by itself; rest ends its description.
func retentionFlag(f *pflag.FlagSet, retention *string, value, rest string) {
	f.StringVar(retention, "retention", value,
		"how long to keep days in the database, such as 2y, 24mo or 730d, unless it stores a longer retention; "+rest)
}

// parseRetention reads --retention; zero: no day is dropped.
func parseRetention(s string) (store.Retention, error) { return parseAge("--retention", s) }

// parseAge reads the value of a flag that is an age of days; zero: never.
func parseAge(flag, s string) (r store.Retention, err error) {
	if s == "" || s == never {
		return r, nil
	}
	if r, err = store.ParseRetention(s); err != nil {
		err = &usageError{fmt.Errorf("%s: %w", flag, err)}
	}
	return r, err
}

// packAfterFlag adds --pack-after to a command that packs days by itself.
func packAfterFlag(f *pflag.FlagSet, after *string) {
	f.StringVar(after, "pack-after", "7d",
		"how old a day is when it is packed, to a quarter of its size, such as 7d or 1mo; "+
			"'never' packs none")
}

// endReadersFlag adds --end-readers-after to a command that expires days.
func endReadersFlag(f *pflag.FlagSet, d *time.Duration) {
	f.DurationVar(d, "end-readers-after", time.Hour,
		"how long an open transaction of an auditor or administrator may keep a day "+
			"from being dropped before its session is ended; 0 never ends one")
}

// keyFlag adds --key to a command that signs.
func keyFlag(f *pflag.FlagSet, path *string) {
	f.StringVar(path, "key", "",
		"private key that signs what is loaded and dropped; tap25 makes it if there is none (default: sensor.key in "+
			"the state directory)")
}

// witnessFlags adds --witness and --timestamp to a command that loads for long.
func witnessFlags(f *pflag.FlagSet, path, authority *string) {
	f.StringVar(path, "witness", "",
		"file, best on another machine, to which the line of evidence that is logged each hour is appended")
	f.StringVar(authority, "timestamp", "",
		"URL of a time-stamping authority (RFC 3161) that confirms when each line of the witness existed; it gets "+
			"only a hash")
}
