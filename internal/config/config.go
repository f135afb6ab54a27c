// Package config reads auditshipper's configuration: one YAML file and the
// environment over it.
//
// It is strict: a key it does not know is a fault, since it is most likely a
// misspelt one, and every fault of a file is reported at once, with file, line
// and key. It looks at nothing but the file and the environment; whether a
// watched path exists is not its business.
package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Path is where the configuration is looked for unless another is named.
const Path = "/etc/auditshipper/auditshipper.yaml"

// Config is the whole configuration. Default has the values of keys left out.
type Config struct {
	Watches    []Watch       `yaml:"watches"`
	Drop       []Drop        `yaml:"drop"`
	Rules      Rules         `yaml:"rules"`
	Source     Source        `yaml:"source"`
	Kernel     Kernel        `yaml:"kernel"`
	StateDir   string        `yaml:"state_dir"` // journal, landing, rules.applied, rejected.jsonl
	Socket     string        `yaml:"socket"`    // unix socket of `auditshipper status`
	Journal    Journal       `yaml:"journal"`
	Output     string        `yaml:"output"` // cloudwatch, stdout or auto
	Events     string        `yaml:"events"` // ours or all
	CloudWatch CloudWatch    `yaml:"cloudwatch"`
	Heartbeat  time.Duration `yaml:"heartbeat"` // between events that say how the daemon is; 0: none
	Metrics    Metrics       `yaml:"metrics"`

	// Labels are constant fields of each event.
	Labels map[string]string `yaml:"labels"`

	Log Log `yaml:"log"`

	warnings []*Fault
	places   map[string]string // "watches[0].path" -> "file:line"
}

// A Watch is what to know about a directory or file: which operations below it
// become events.
type Watch struct {
	Path         string   `yaml:"path"`
	Ops          []string `yaml:"ops"`
	Key          string   `yaml:"key"`
	Failures     string   `yaml:"failures"`      // denied, all or none
	RequireMount string   `yaml:"require_mount"` // auto, true or false
}

// A Drop names events that are not delivered: those that agree with every
// field given. Path may end in /** for everything below.
type Drop struct {
	Key    string `yaml:"key"`
	Action string `yaml:"action"`
	Exe    string `yaml:"exe"`
	Comm   string `yaml:"comm"`
	UID    string `yaml:"uid"`
	Path   string `yaml:"path"`
}

// Rules says which rule files are ours and what to do about the kernel's.
type Rules struct {
	Files       []string `yaml:"files"`         // globs
	PersistDir  string   `yaml:"persist_dir"`   // where auditd's augenrules looks
	OnNeverTask string   `yaml:"on_never_task"` // warn, fix or fail
	Repair      bool     `yaml:"repair"`        // put back what others take away
	OnExit      string   `yaml:"on_exit"`       // auto, keep or remove
}

// Source says where records come from.
type Source struct {
	Mode          string        `yaml:"mode"`           // auto, unicast, multicast, file or stdin
	ReceiveBuffer Size          `yaml:"receive_buffer"` // of the netlink socket
	File          string        `yaml:"file"`           // audit.log, for file and for backfill
	ResolveWait   time.Duration `yaml:"resolve_wait"`   // how long an event waits for its directory's name
}

// Kernel is set in the kernel, but only while we are its audit daemon.
type Kernel struct {
	BacklogLimit    int    `yaml:"backlog_limit"`     // records
	BacklogWaitTime int    `yaml:"backlog_wait_time"` // jiffies
	FailureMode     string `yaml:"failure_mode"`      // silent or printk
}

// Journal bounds the records kept on disk.
type Journal struct {
	MaxBytes      Size          `yaml:"max_bytes"`
	KeepDelivered Size          `yaml:"keep_delivered"` // history for local search
	Sync          time.Duration `yaml:"sync"`           // how often fsync(2)
}

// CloudWatch is where events go. Group and Stream may hold {hostname} and
// {instance_id}.
type CloudWatch struct {
	Group         string            `yaml:"group"`
	Stream        string            `yaml:"stream"`
	Region        string            `yaml:"region"`
	EndpointURL   string            `yaml:"endpoint_url"`
	RoleARN       string            `yaml:"role_arn"`
	CreateGroup   bool              `yaml:"create_group"`
	RetentionDays int               `yaml:"retention_days"` // 0 keeps for ever
	LogClass      string            `yaml:"log_class"`      // STANDARD or INFREQUENT_ACCESS
	KMSKeyID      string            `yaml:"kms_key_id"`
	Tags          map[string]string `yaml:"tags"`
	Format        string            `yaml:"format"` // json, raw or ocsf
	IncludeRaw    bool              `yaml:"include_raw"`
	FlushInterval time.Duration     `yaml:"flush_interval"`
	Concurrency   int               `yaml:"concurrency"` // calls in flight
	UseFIPS       bool              `yaml:"use_fips"`
	UseDualstack  bool              `yaml:"use_dualstack"`
}

// Metrics says how figures leave the daemon.
type Metrics struct {
	Listen string `yaml:"listen"` // host:port for Prometheus, empty for none
	EMF    bool   `yaml:"emf"`    // embedded metric format, into the stream
}

// Log is the daemon's own log, on stderr.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn or error
	Format string `yaml:"format"` // auto, console or json
}

// Default returns the configuration of an empty file.
func Default() Config {
	return Config{
		Rules: Rules{
			Files:      []string{"/etc/auditshipper/rules.d/*.rules"},
			PersistDir: "/etc/audit/rules.d", OnNeverTask: "warn", Repair: true, OnExit: "auto",
		},
		Source: Source{
			Mode: "auto", ReceiveBuffer: 64 << 20,
			File: "/var/log/audit/audit.log", ResolveWait: time.Second,
		},
		Kernel:    Kernel{BacklogLimit: 8192, FailureMode: "printk"},
		StateDir:  "/var/lib/auditshipper",
		Socket:    "/run/auditshipper/control.sock",
		Journal:   Journal{MaxBytes: 1 << 30, KeepDelivered: 64 << 20, Sync: time.Second},
		Output:    "auto",
		Events:    "ours",
		Heartbeat: 5 * time.Minute,
		CloudWatch: CloudWatch{
			Group: "/auditshipper", Stream: "{instance_id}", CreateGroup: true,
			Format: "json", FlushInterval: time.Second, Concurrency: 2,
		},
		Log: Log{Level: "info", Format: "auto"},
	}
}

// defaultWatch fills in what a watch leaves out.
func defaultWatch(w *Watch) {
	if len(w.Ops) == 0 {
		w.Ops = []string{"delete", "rename"}
	}
	for field, value := range map[*string]string{&w.Key: "efs_changes", &w.Failures: "denied", &w.RequireMount: "auto"} {
		if *field == "" {
			*field = value
		}
	}
}

// Load reads the file at path over the defaults, and the environment (as
// os.Environ returns it) over both. The error joins every fault found, each
// naming its place; the configuration returned beside it holds what was right,
// so that more can be checked. With must false a file that does not exist is
// an empty one.
func Load(path string, must bool, environ []string) (Config, error) {
	c := Default()
	c.places = map[string]string{}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && !must {
		text, err = nil, nil
	}
	if err != nil {
		return c, err
	}
	d := decoder{places: c.places}
	d.file(path, text, &c)
	d.environ(environ, &c)
	for i := range c.Watches {
		defaultWatch(&c.Watches[i])
	}
	c.validate(&d)
	c.warnings = d.warnings
	return c, errors.Join(d.faults...)
}

// Warnings are what is most likely a mistake, and has no effect.
func (c *Config) Warnings() []*Fault { return c.warnings }

// Place returns where key (as in "watches[0].path") was set, or the whole it
// stands in, as file:line, or the name of its environment variable. It is
// empty for what nobody set.
func (c *Config) Place(key string) string {
	for key != "" {
		if place, ok := c.places[key]; ok {
			return place
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return ""
}

// A Fault is one thing wrong with the configuration.
type Fault struct {
	Place string // file:line, or the environment variable
	Key   string
	Msg   string
	Fix   string // what to write instead, where that is knowable
}

func (f *Fault) Error() string {
	parts := []string{f.Place, f.Key, f.Msg}
	if f.Key == "" {
		parts = []string{f.Place, f.Msg}
	}
	if f.Place == "" {
		parts = parts[1:]
	}
	return strings.Join(parts, ": ")
}

// Hint returns the suggested correction.
func (f *Fault) Hint() string { return f.Fix }

// Fault makes a fault of key, with its place, for checks that only a running
// system can make.
func (c *Config) Fault(key, fix, format string, args ...any) error {
	return &Fault{Place: c.Place(key), Key: key, Msg: fmt.Sprintf(format, args...), Fix: fix}
}
