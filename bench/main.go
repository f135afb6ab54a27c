// Bench measures auditshipper against other readers of Linux audit events, and
// all of them against a null reader, on the running kernel. README.md explains.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

type options struct {
	rounds    int
	within    time.Duration
	burst     int
	scratch   string
	only      string
	trials    string
	programs  string
	goAudit   string
	auditbeat string
	flush     time.Duration
	steady    time.Duration
	profile   string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 3, "how often everything is measured")
	flag.DurationVar(&o.within, "within", 0, "begin no round that would end later than this; 0 for all of them")
	flag.IntVar(&o.burst, "burst", 200_000, "events of the flat-out burst")
	flag.StringVar(&o.scratch, "scratch", "/dev/shm", "where the audited directory is made")
	flag.StringVar(&o.only, "only", "", "names of the contestants, separated by commas, instead of all")
	flag.StringVar(&o.trials, "trials", "", "names of the trials, separated by commas, instead of all")
	flag.StringVar(&o.programs, "auditshipper", "", "measure these binaries, separated by commas, instead of building this tree")
	flag.StringVar(&o.goAudit, "go-audit", "", "measure this binary, too")
	flag.StringVar(&o.auditbeat, "auditbeat", "", "measure this binary, too")
	flag.DurationVar(&o.flush, "flush", time.Second, "the flush interval of auditshipper")
	flag.DurationVar(&o.steady, "steady", 5*time.Second, "how long the steady load is")
	flag.StringVar(&o.profile, "profile", "", "have auditshipper write profiles into this directory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if os.Getuid() != 0 {
		return errors.New("only root may receive audit events")
	}
	b := &bench{options: o, began: time.Now()}
	var err error
	if b.work, err = os.MkdirTemp("/var/tmp", "bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.work)
	b.watched = filepath.Join(o.scratch, "efs") // as short as the names of mount points are
	if err := os.Mkdir(b.watched, 0o755); err != nil {
		return fmt.Errorf("make the audited directory, which may be left over from a bench that was killed: %w", err)
	}
	defer os.RemoveAll(b.watched)
	if err := b.build(); err != nil {
		return err
	}
	list := contestants(b.options)
	r := results{}
	done := 0
	for done < o.rounds {
		if err := b.round(ctx, done, list, r); err != nil {
			return err
		}
		done++
		if spent := time.Since(b.began); o.within > 0 && spent+spent/time.Duration(done) > o.within {
			break
		}
	}
	fmt.Printf("%s\n%s", machine(), r.table(list))
	fmt.Printf("\n%d of %d rounds in %v.\n", done, o.rounds, time.Since(b.began).Round(time.Second))
	return nil
}

// A bench is one run of this program.
type bench struct {
	options
	work    string // for everything but the audited directory
	watched string
	began   time.Time
}

func (b *bench) bin(name string) string { return filepath.Join(b.work, name) }

// build makes the programs that take part.
func (b *bench) build() error {
	programs := map[string]string{"loadgen": "./bench/loadgen", "endpoint": "./bench/endpoint"}
	if b.programs == "" {
		programs["auditshipper"] = "./cmd/auditshipper"
		b.programs = b.bin("auditshipper")
	}
	for name, pkg := range programs {
		if err := command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", b.bin(name), pkg); err != nil {
			return err
		}
	}
	return command("cc", "-O2", "-o", b.bin("null"), "bench/null/null.c")
}

// command runs a command to its end. Its output matters only if it fails.
func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// round has every contestant pass every trial. The order turns from round to
// round, so that nobody always comes first.
func (b *bench) round(ctx context.Context, round int, list []contestant, r results) error {
	for _, t := range trials {
		if !chosen(b.trials, t.name) {
			continue
		}
		if err := b.trial(ctx, round, t, list, r); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return nil
}

// trial has every contestant pass one trial. It holds the kernel for all of
// them: what comes between two of them would be between their figures.
func (b *bench) trial(ctx context.Context, round int, t trial, list []contestant, r results) (err error) {
	k, err := hold()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.release()) }()
	for i := range list {
		c := list[(i+round)%len(list)]
		if !chosen(b.only, c.name) || !t.suits(c) {
			continue
		}
		figures, err := b.try(ctx, k, c, t)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		r.add(round, c.name, figures)
		fmt.Fprintf(os.Stderr, "%5s round %d %-8s %-20s %v\n", time.Since(b.began).Round(time.Second), round+1, t.name, c.name, figures)
	}
	return nil
}

// chosen tells whether name is in list, or list is empty.
func chosen(list, name string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if item == name {
			return true
		}
	}
	return list == ""
}

// try has one contestant pass one trial, and puts the kernel back.
func (b *bench) try(ctx context.Context, k *kernel, c contestant, t trial) (f figures, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.restore()) }()
	if err := k.arm(b.watched, !c.unaudited); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.work, c.file()+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	e := &entry{bench: b, contestant: c, kernel: k, dir: dir}
	defer func() { err = errors.Join(err, e.stop()) }()
	if err := e.start(); err != nil {
		return nil, err
	}
	return t.run(ctx, e)
}
