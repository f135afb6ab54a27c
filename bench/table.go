package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A metric is a column of the table.
type metric struct {
	name   string // in figures
	title  string
	format string
	over   string // the contestant it is a ratio to, in the same round; "" for none
}

var metrics = []metric{
	{"burst", "flat-out burst: complete events", "%.3f", ""},
	{"lost", "the kernel's `lost` then", "%.0f", ""},
	{"ceiling", "highest zero-loss rate", "%.2f", nullReader},
	{"cpu", "CPU per event at 10,000/s", "%.2f", nullReader},
	{"growth", "CPU per event with 1 GB of journal and 1,000 rules", "%.2f", itself},
	{"kauditd", "kauditd's CPU per event", "%.2f", nullReader},
	{"both", "both together", "%.2f", nullReader},
	{"bunched", "CPU per event in bunches of 20", "%.2f", nullReader},
	{"loop", "audited loop against no audit", "%.1f", noAudit},
	{"rss", "peak RSS at 10,000/s, MiB", "%.1f", ""},
	{"idle rss", "idle RSS, MiB", "%.1f", ""},
	{"idle", "idle CPU, % of a core", "%.2f", ""},
	{"missing", "missing after SIGKILL + 2 s at 5,000/s", "%.0f", ""},
	{"bytes", "bytes per event", "%.0f", ""},
	{"share", "complete at 10,000/s", "%.3f", ""},
	{"p50", "delay p50, s", "%.2f", ""},
	{"p99", "delay p99, s", "%.2f", ""},
}

// results are figures by round and contestant.
type results map[string]figures

func at(round int, name string) string { return fmt.Sprint(round, " ", name) }

func (r results) add(round int, name string, f figures) {
	if r[at(round, name)] == nil {
		r[at(round, name)] = figures{}
	}
	for k, v := range f {
		r[at(round, name)][k] = v
	}
}

// values are a contestant's of a metric, one for each round that has them.
func (r results) values(m metric, name string) []float64 {
	var list []float64
	for round := 0; ; round++ {
		v, ok := r[at(round, name)][m.name]
		base, based := r[at(round, m.base(name))][m.name]
		switch {
		case r[at(round, name)] == nil:
			return list
		case !ok || m.over != "" && !based:
		case m.over == "":
			list = append(list, v)
		default:
			list = append(list, v/base)
		}
	}
}

// base is whom the contestant is compared to, "" for nobody.
func (m metric) base(name string) string {
	if m.over != itself {
		return m.over
	}
	empty, is := strings.CutSuffix(name, full)
	if !is {
		return ""
	}
	return empty
}

// table is all of it in Markdown: medians, with the lowest and highest.
func (r results) table(list []contestant) string {
	var b strings.Builder
	columns := slices.DeleteFunc(slices.Clone(metrics), func(m metric) bool {
		return !slices.ContainsFunc(list, func(c contestant) bool { return len(r.values(m, c.name)) > 0 })
	})
	b.WriteString("| |")
	for _, m := range columns {
		b.WriteString(" " + m.title + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
	for _, c := range list {
		if r[at(0, c.name)] == nil {
			continue
		}
		b.WriteString("| " + c.name + " |")
		for _, m := range columns {
			b.WriteString(" " + m.cell(r.values(m, c.name)) + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString(r.absolute())
	return b.String()
}

func (m metric) cell(values []float64) string {
	if len(values) == 0 {
		return "–"
	}
	mid := fmt.Sprintf(m.format, median(values))
	low, high := fmt.Sprintf(m.format, slices.Min(values)), fmt.Sprintf(m.format, slices.Max(values))
	if low == high {
		return mid
	}
	return fmt.Sprintf("%s (%s–%s)", mid, low, high)
}

// absolute says what the ratios are of.
func (r results) absolute() string {
	var b strings.Builder
	for _, m := range metrics {
		plain := metric{name: m.name}
		if v := r.values(plain, m.over); m.over != "" && len(v) > 0 {
			unit := "µs"
			if m.name == "ceiling" {
				unit = "events/s"
			}
			fmt.Fprintf(&b, "\n%s is 1 where the %s has %s %s.", m.title, m.over, metric{format: "%.1f"}.cell(v), unit)
		}
	}
	return b.String() + "\n"
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// machine is where and when.
func machine() string {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease") // a heading, no more
	load, _ := os.ReadFile("/proc/loadavg")
	return fmt.Sprintf("%s, %d processors, Linux %s, load %s, %s, %s.\n", processor(), runtime.NumCPU(), strings.TrimSpace(string(release)),
		strings.Fields(string(load) + " ?")[0], runtime.Version(), time.Now().UTC().Format(time.DateOnly))
}

// processor is the first processor's name.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo") // likewise
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
