package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tap25/capture/capturetest"
	"tap25/cmd/tap25/report"
)

// findPrometheus returns the path of a program of Prometheus, of the distribution or unpacked by make install-test.
func findPrometheus(t testing.TB, name string) string {
	t.Helper()
	unpacked, err := filepath.Abs("../../bin/prometheus/usr/bin")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", os.Getenv("PATH")+":"+unpacked)
	return requireTool(t, name, "prometheus")
}

// promtool runs promtool, which must find nothing wrong.
func promtool(t testing.TB, input string, args ...string) string {
	t.Helper()
	cmd := exec.Command(findPrometheus(t, "promtool"), args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

const alertRules = "../../packaging/prometheus/tap25.rules.yml"

func TestPrometheus_EachAlertFiresWhenItShould(t *testing.T) {
	const tests = "../../packaging/prometheus/tap25_test.yml"
	promtool(t, "", "check", "rules", alertRules)
	promtool(t, "", "test", "rules", tests)
	rules, err := os.ReadFile(alertRules)
	if err != nil {
		t.Fatal(err)
	}
	cases, err := os.ReadFile(tests)
	if err != nil {
		t.Fatal(err)
	}
	alerts := regexp.MustCompile(`alert: (\w+)`).FindAllSubmatch(rules, -1)
	if len(alerts) < 15 {
		t.Errorf("%d alerts", len(alerts))
	}
	for _, a := range alerts {
		for what, re := range map[string]string{"fires": `\n +exp_alerts:`, "is quiet": `\}\n`} {
			if !regexp.MustCompile(`alertname: ` + string(a[1]) + re).Match(cases) {
				t.Errorf("no test in which %s %s", a[1], what)
			}
		}
	}
}

// dashboardQueries returns what the panels of a dashboard ask, with the variables of Grafana replaced.
func dashboardQueries(t *testing.T, name, field string, variables ...string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../packaging/grafana", name))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct{ Targets []map[string]any }
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			list = append(list, strings.NewReplacer(variables...).Replace(target[field].(string)))
		}
	}
	for _, q := range list {
		if strings.Contains(q, "$") {
			t.Errorf("%s: an unknown variable in %s", name, q)
		}
	}
	return list
}

// prometheus runs a server that looks at a tap each second, and knows the alert rules.
func prometheus(t *testing.T, target string) (ask func(path string, answer any)) {
	t.Helper()
	rules, err := filepath.Abs(alertRules)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	settings := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs:\n"+
		"  - {job_name: tap25, static_configs: [{targets: [%q]}]}\n", rules, target)
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	var diag capturetest.Buffer
	cmd := exec.Command(findPrometheus(t, "prometheus"), "--config.file", settings, "--storage.tsdb.path", dir+"/data",
		"--web.listen-address", address, "--log.level", "warn")
	cmd.Stderr = &diag
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	await(t, "Prometheus", func() bool {
		r, err := http.Get("http://" + address + "/-/ready")
		if err == nil {
			_ = r.Body.Close()
		}
		return err == nil && r.StatusCode == 200
	})
	return func(path string, answer any) {
		t.Helper()
		r, err := http.Get("http://" + address + "/api/v1/" + path)
		if err != nil {
			t.Fatalf("%v: %s", err, diag.String())
		}
		defer r.Body.Close()
		if err := json.NewDecoder(r.Body).Decode(answer); err != nil || r.StatusCode != 200 {
			t.Errorf("%s: %s %v %v", path, r.Status, answer, err)
		}
	}
}

// named are the metrics that a text names.
var named = regexp.MustCompile(`\btap25_[a-z0-9_]+`)

// checkNames looks for every metric that rules, dashboards and the table of the guide name.
func checkNames(t *testing.T, metrics string) {
	t.Helper()
	has := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(tap25_\w+)`).FindAllStringSubmatch(metrics, -1) {
		has[m[1]] = true
		if base, ok := strings.CutSuffix(m[1], "_bucket"); ok {
			has[base] = true
		}
	}
	guide, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(guide), "\n### Metrics\n")
	table, _, _ = strings.Cut(table, "\n### ")
	var listed []string
	for _, row := range regexp.MustCompile(`(?m)^\| (`+"`[^|]+`"+`)[^|]*\|`).FindAllStringSubmatch(table, -1) {
		for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(row[1], -1) {
			listed = append(listed, "tap25_"+m[1])
		}
	}
	absent := []string{"tap25_rows_out_of_scope_total"} // without a scope
	for name := range has {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if !slices.Contains(listed, base) {
			t.Errorf("the guide does not list %s", name)
		}
	}
	for _, file := range []string{alertRules, "../../packaging/prometheus/tap25_test.yml",
		"../../packaging/grafana/tap25-sensor.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range named.FindAllString(string(text), -1) {
			if !has[name] && name != "tap25_test" {
				t.Errorf("%s names %s, which a tap does not have", filepath.Base(file), name)
			}
		}
	}
	for _, name := range listed {
		if !has[name] && !slices.Contains(absent, name) {
			t.Errorf("the guide lists %s, which a tap does not have", name)
		}
	}
}

// TestDashboards_AskWhatATapHas has Prometheus look at a live tap, and asks it and the tap's database all that rules
// and dashboards do.
func TestDashboards_AskWhatATapHas(t *testing.T) {
	w := newWire(t)
	stateHome(t)
	m := w.serve()
	s := w.sniff("--db", "local", "--metrics", metricsAddress, "--retention", "never",
		"--bodies", "kernel")
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: metricsAddress})
	proxy.Transport = w.transport()
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	ask := prometheus(t, strings.TrimPrefix(server.URL, "http://"))
	if err := w.send("192.0.2.25:25", "m", 3); err != nil {
		t.Fatal(err)
	}
	if err := w.noise(100); err != nil {
		t.Fatal(err)
	}
	await(t, "rows to be loaded", func() bool {
		r, err := report.Ask(t.Context(), s.control)
		return err == nil && rowsLoaded(r) == int64(len(m.taken)) && r.Store.DatabaseBytes > 0
	})
	_, metrics := w.get("/metrics")
	checkNames(t, metrics)
	type vector struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  []any
			}
		}
	}
	query := func(q string) (v vector) {
		t.Helper()
		ask("query?query="+url.QueryEscape(q), &v)
		return v
	}
	await(t, "three looks at the loaded rows", func() bool {
		return len(query(`count_over_time((tap25_rows_loaded_total > 5)[1m:1s]) >= 3`).Data.Result) == 1
	})
	queries := dashboardQueries(t, "tap25-sensor.json", "expr", "$job", "tap25", "$instance", ".*", "$__rate_interval",
		"1m", "$__range", "5m")
	for _, q := range queries {
		if len(query(q).Data.Result) == 0 {
			t.Errorf("no answer to %s", q)
		}
	}
	if len(queries) < 25 {
		t.Errorf("%d queries", len(queries))
	}
	if v := query(`sum(tap25_rows_total)`).Data.Result; len(v) != 1 || v[0].Value[1] != "6" {
		t.Errorf("rows, as Prometheus has them: %v", v)
	}
	checkRules(t, ask)
	checkVolumes(t, len(m.taken))
	s.end(os.Interrupt)
}

// checkRules asks whether Prometheus could evaluate each rule.
func checkRules(t *testing.T, ask func(path string, answer any)) {
	t.Helper()
	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	await(t, "the rules to be evaluated", func() bool {
		ask("rules", &rules)
		return len(rules.Data.Groups) == 1 && !slices.ContainsFunc(rules.Data.Groups[0].Rules,
			func(r struct{ Name, Health, LastError string }) bool { return r.Health == "unknown" })
	})
	for _, r := range rules.Data.Groups[0].Rules {
		if r.Health != "ok" {
			t.Errorf("%s: %s %s", r.Name, r.Health, r.LastError)
		}
	}
}

// checkVolumes runs what the guide has for a login of Grafana's, and as that login what its dashboard asks.
func checkVolumes(t *testing.T, rows int) {
	t.Helper()
	var grant string
	for _, b := range blocks(t, "docs/operating.md") {
		if b.language == "sql" && strings.Contains(b.text, "grafana") {
			grant = b.text
		}
	}
	script := "\\set ON_ERROR_STOP on\n" + grant + "set session authorization grafana;\n"
	for _, q := range dashboardQueries(t, "tap25-volumes.json", "rawSql", "$__timeFrom()", "'2020-01-01T00:00:00Z'",
		"$__timeTo()", "'2100-01-01T00:00:00Z'") {
		script += q + ";\n"
	}
	file := filepath.Join(t.TempDir(), "volumes.sql")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	out := asked(t, "db", "psql", "--", "-X", "-A", "-f", file)
	if !strings.Contains(out, fmt.Sprintf("rows\n%d\n", rows)) || !strings.Contains(out, "|tap|"+fmt.Sprint(rows)) {
		t.Errorf("the volumes are\n%s", out)
	}
	for _, table := range []string{"tap25.mail", "tap25_internal.envelopes", "tap25_internal.days", "tap25.holds"} {
		var diag capturetest.Buffer
		sql := "set session authorization grafana; select from " + table
		args := []string{"db", "psql", "--", "-X", "-v", "ON_ERROR_STOP=1", "-c", sql}
		if run(t.Context(), args, nil, &diag, &diag) == statusDone || !strings.Contains(diag.String(), "permission denied") {
			t.Errorf("a login of Grafana's may read %s: %s", table, diag.String())
		}
	}
}
