package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

const truthLog = "../../internal/event/testdata/truth/debian12-6.18-ext4.log.gz"

// told runs a command line, and returns what it printed and its status.
func told(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = execute(t.Context(), args, &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

// TestPlainWordsAgree asks a file and a log group with the events of that file: the
// answers are the same, and not empty.
func TestPlainWordsAgree(t *testing.T) {
	all, errs, code := told(t, "search", "-if", truthLog, "--format", "json")
	if code != 0 {
		t.Fatal(errs)
	}
	s := logstest.New(logstest.Options{})
	config := readsFrom(t, s)
	deliver(t, s, all)
	for _, q := range []string{
		"search --user root", "search --user 0 --action rename", "search --under /", "search -f /**/*1*", "search -c python,mv", "search -x bin/rm,nothing",
		"search --limit=7", "search --action=delete --under / --user root",
		"report --top 5 --by dir", "report --by path --under /srv/t/raw", "report --by user", "report --by exe --user root", "report --by action --under /",
	} {
		verb, rest, _ := strings.Cut(q, " ")
		words := append([]string{verb, "--since", "2020-01-01"}, strings.Fields(rest)...)
		if verb == "search" {
			words = append(words, "--format", "json")
		}
		local, errs, code := told(t, append(words, "-if", truthLog)...)
		if code != 0 || local == "" {
			t.Errorf("%s: exit %d, %s", q, code, errs)
		}
		for _, engine := range []string{"insights", "filter"} {
			group, errs, _ := told(t, append(words, "--config", config, "--log-group", "/agree", "--engine", engine)...)
			if local != group {
				t.Errorf("%s: the file gives %d lines, %s %d: %s", q, strings.Count(local, "\n"), engine, strings.Count(group, "\n"), errs)
			}
		}
	}
}

// deliver puts events, a line each, into the group /agree, as one stream.
func deliver(t *testing.T, s *logstest.Server, lines string) {
	t.Helper()
	do := func(op string, in any) {
		text, err := json.Marshal(in)
		if err == nil {
			err = s.Do(op, string(text))
		}
		if err != nil {
			t.Fatal(op, err)
		}
	}
	do("CreateLogGroup", map[string]any{"logGroupName": "/agree"})
	do("CreateLogStream", map[string]any{"logGroupName": "/agree", "logStreamName": "s"})
	var batch []map[string]any
	for line := range strings.Lines(lines) {
		var sec, milli int64
		_, rest, _ := strings.Cut(line, `"id":"`)
		if _, err := fmt.Sscanf(rest, "%d.%d:", &sec, &milli); err != nil {
			t.Fatal(err)
		}
		if len(batch) > 0 && sec*1000-batch[0]["timestamp"].(int64) > 3_600_000 { // a batch spans a day at most
			do("PutLogEvents", map[string]any{"logGroupName": "/agree", "logStreamName": "s", "logEvents": batch})
			batch = nil
		}
		batch = append(batch, map[string]any{"timestamp": sec*1000 + milli, "message": strings.TrimSpace(line)})
	}
	do("PutLogEvents", map[string]any{"logGroupName": "/agree", "logStreamName": "s", "logEvents": batch})
}

// TestSuggestions names what was meant.
func TestSuggestions(t *testing.T) {
	for args, want := range map[string]string{
		"serch":                    "did you mean search?",
		"rules lst":                "did you mean list?",
		"doctor --cannary":         "did you mean --canary?",
		"search --sinc 1h":         "did you mean --since?",
		"report --user-nmae":       "see auditshipper report --help",
		"tail --aciton delete":     "did you mean --action?",
		"fleet --expct=x":          "did you mean --expect?",
		"search --just-one=yes":    "Argument is NOT required for --just-one",
		"search --user=":           "Argument is required for --user",
		"report --by nothing":      "Unknown option (nothing)",
		"report -f --by user":      "--by is of --top",
		"search --under mnt":       "a path from / on is wanted",
		"search --limit 0":         "a number above 0 is wanted",
		"report --top many":        "a number above 0 is wanted",
		"search --until 5-moons":   "5-moons",
		"report --by dir --compat": "--compat counts what records say",
	} {
		out, errs, code := told(t, strings.Fields(args)...)
		if code != exitUsage || !strings.Contains(errs, want) || out != "" {
			t.Errorf("%s: exit %d, %s%s", args, code, out, errs)
		}
	}
	if out, errs, code := told(t, "--version"); code != 0 || !strings.HasPrefix(out, "auditshipper ") {
		t.Error(out, errs)
	}
}

// TestEvidence tells from when on a source can know, where it has no match.
func TestEvidence(t *testing.T) {
	const begins = " begins at 20"
	for args, want := range map[string]bool{
		"search --since 2020-01-01 -k nobody":                true,
		"search --since 2020-01-01 -k nobody --until monday": true,
		"search -k nobody":                                   false, // from whenever
		"search --since 1min -k nobody":                      false, // it goes back that far
		"report --since 2020-01-01 --by dir --user nobody":   true,
	} {
		_, errs, code := told(t, append(strings.Fields(args), "-if", truthLog)...)
		if strings.Contains(errs, begins) != want {
			t.Errorf("%s: exit %d, %s", args, code, errs)
		}
	}
}

// TestTailWords takes -n with a number as lines, and -f alone.
func TestTailWords(t *testing.T) {
	tail := newTail()
	if err := tail.words().parse(strings.Fields("-f -n 3 -n web1 --user bob")); err != nil {
		t.Fatal(err)
	}
	if tail.lines != 3 || len(tail.want.Nodes) != 1 || tail.want.Nodes[0] != "web1" || tail.want.File != "" || len(tail.want.Who) != 1 {
		t.Errorf("%+v", tail)
	}
	if err := tail.words().parse(strings.Fields("-f /mnt/efs")); err != nil || tail.want.File != "/mnt/efs" {
		t.Error(err, tail.want.File)
	}
}
