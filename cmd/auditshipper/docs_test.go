package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/auditshipper/auditshipper/internal/config"
)

// Shell blocks of the documentation say by their info string what they need:
//
//	sh               runs here, and must succeed
//	sh needs-root    changes a machine: its commands are looked up, not run
//	sh needs-aws     calls AWS: likewise
//
// Blocks of one document run in one directory, one after the other.

// A block is one fenced block of a document.
type block struct {
	place string // file:line
	info  string
	text  string
}

func documents(t *testing.T) []string {
	t.Helper()
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(docs) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	return append(docs, "../../README.md")
}

func blocks(t *testing.T, file string) []block {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	var open *block
	for i, line := range strings.Split(string(text), "\n") {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			open = &block{place: fmt.Sprintf("%s:%d", filepath.Base(file), i+1), info: fence}
		case isFence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	if open != nil {
		t.Errorf("%s: block is not closed", open.place)
	}
	return all
}

func TestDocumentedCommandsRun(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "auditshipper"), ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, file := range documents(t) {
		dir := t.TempDir()
		for _, b := range blocks(t, file) {
			if b.info != "sh" {
				continue
			}
			if out, err := runBlock(t, bin, dir, b.text); err != nil {
				t.Errorf("%s: %v\n%s", b.place, err, out)
			}
		}
	}
}

func runBlock(t *testing.T, bin, dir, text string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", text)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	cmd.Env = []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + dir,
		"AWS_EC2_METADATA_DISABLED=true", "AUDITSHIPPER_STATE_DIR=" + dir + "/state",
	}
	return cmd.CombinedOutput()
}

// command finds auditshipper where a command begins, and its arguments up to
// what ends them.
var command = regexp.MustCompile(`(?m)(?:^ *(?:[A-Z_]+=\S+ +)*|[;&|(] *| -- |sudo )auditshipper((?: +[^\s;&|<>()"#]+)*)`)

// TestDocumentedCommandsExist holds also the blocks that cannot run here to the
// verbs and flags there are, and every block to bash's grammar.
func TestDocumentedCommandsExist(t *testing.T) {
	known := regexp.MustCompile(`^(sh|sh needs-root|sh needs-aws|yaml|json|text|)$`)
	for _, file := range documents(t) {
		for _, b := range blocks(t, file) {
			if !known.MatchString(b.info) {
				t.Errorf("%s: %q is not one of sh, sh needs-root, sh needs-aws, yaml, json, text", b.place, b.info)
			}
			if !strings.HasPrefix(b.info, "sh") {
				continue
			}
			if out, err := exec.Command("bash", "-n", "-c", b.text).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", b.place, err, out)
			}
			for _, m := range command.FindAllStringSubmatch(strings.ReplaceAll(b.text, "\\\n", " "), -1) {
				if err := lookUp(strings.Fields(m[1])); err != nil {
					t.Errorf("%s: auditshipper%s: %v", b.place, m[1], err)
				}
			}
		}
	}
}

// lookUp reports a verb or a flag that does not exist. Verbs that parse their
// flags themselves are believed.
func lookUp(args []string) error {
	cmd, rest, err := newRoot().Find(args)
	if err != nil {
		return err
	}
	if cmd.DisableFlagParsing {
		return nil
	}
	if cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return fmt.Errorf("no verb %q", rest[0])
	}
	return lookUpFlags(cmd, rest)
}

func lookUpFlags(cmd *cobra.Command, args []string) error {
	for _, arg := range args {
		name, long := strings.CutPrefix(arg, "--")
		name, _, _ = strings.Cut(name, "=")
		short := !long && len(arg) == 2 && arg[0] == '-'
		switch {
		case long && cmd.Flags().Lookup(name) == nil && cmd.InheritedFlags().Lookup(name) == nil && name != "help":
			return fmt.Errorf("no flag --%s", name)
		case short && cmd.Flags().ShorthandLookup(arg[1:]) == nil && cmd.InheritedFlags().ShorthandLookup(arg[1:]) == nil:
			return fmt.Errorf("no flag %s", arg)
		}
	}
	return nil
}

// TestConfigurationDocument holds docs/configuration.md to the keys there are,
// and to their defaults.
func TestConfigurationDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (?:`([^`]*)`)? ?\\|").FindAllStringSubmatch(string(text), -1) {
		got[m[1]] = m[2]
	}
	want := map[string]string{}
	keys("", reflect.ValueOf(config.Default()), want)
	for key, value := range want {
		doc, ok := got[key]
		switch {
		case !ok:
			t.Errorf("%s is not documented", key)
		case !strings.Contains(key, "[]") && doc != value:
			t.Errorf("%s: the default is %q, documented as %q", key, value, doc)
		}
		delete(got, key)
	}
	for key := range got {
		t.Errorf("%s is documented and does not exist", key)
	}
}

// TestLabelNames says that no label may have the name of what an event says itself.
func TestLabelNames(t *testing.T) {
	text, err := os.ReadFile("../../docs/event.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	for name := range schema.Properties {
		if err := os.WriteFile(path, []byte("watches: [{path: /srv}]\nlabels: {"+name+": x}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(path, true, nil); err == nil || !strings.Contains(err.Error(), "events have a key") {
			t.Errorf("the label %s: got %v", name, err)
		}
	}
}

// keys collects the keys below v with their values as YAML flow.
func keys(prefix string, v reflect.Value, into map[string]string) {
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Tag.Get("yaml")
		key := strings.TrimPrefix(prefix+"."+name, ".")
		switch {
		case name == "":
		case f.Kind() == reflect.Struct:
			keys(key, f, into)
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
			into[key] = "[]"
			keys(key+"[]", reflect.New(f.Type().Elem()).Elem(), into)
		default:
			into[key] = flow(f)
		}
	}
}

// flow is a value as the document writes it, empty for the empty string.
func flow(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case string:
		return x
	case []string:
		return "[" + strings.Join(x, ", ") + "]"
	case map[string]string:
		return "{}"
	}
	text, err := yaml.Marshal(v.Interface())
	if err != nil {
		panic(err)
	}
	return strings.TrimSpace(string(text))
}

// documentedMetrics are the names in docs/metrics.md.
func documentedMetrics(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(auditshipper_\\w+)").FindAllStringSubmatch(string(text), -1) {
		names[m[1]] = true
	}
	if len(names) == 0 {
		t.Fatal("docs/metrics.md names no metric")
	}
	return names
}

// TestDashboardMetrics holds the dashboard and the alerts to the documented
// metrics.
func TestDashboardMetrics(t *testing.T) {
	names := documentedMetrics(t)
	for _, file := range []string{"../../deploy/grafana/auditshipper.json", "../../deploy/prometheus/auditshipper.rules.yml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, ".json") && !json.Valid(text) {
			t.Errorf("%s is not JSON", file)
		}
		used := regexp.MustCompile(`auditshipper_\w+`).FindAllString(string(text), -1)
		if len(used) == 0 {
			t.Errorf("%s uses no metric", file)
		}
		for _, name := range used {
			if !names[strings.TrimSuffix(name, "_bucket")] {
				t.Errorf("%s uses %s, which docs/metrics.md does not have", file, name)
			}
		}
	}
}

var localLink = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

// TestLinks follows the links between documents.
func TestLinks(t *testing.T) {
	files, err := filepath.Glob("../../*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	links := 0
	for _, doc := range append(files, documents(t)...) {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range localLink.FindAllStringSubmatch(string(text), -1) {
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), m[1])); err != nil {
				t.Errorf("%s: %v", doc, err)
			}
		}
	}
	if links == 0 {
		t.Error("no links")
	}
}

// TestThreatModel requires that each test that the threat model names exists, and that
// each attack has one.
func TestThreatModel(t *testing.T) {
	text, err := os.ReadFile("../../docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	exist := map[string]bool{}
	for _, glob := range []string{"*_test.go", "../../internal/*/*_test.go"} {
		files, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllSubmatch(source, -1) {
				exist[string(m[1])] = true
			}
		}
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	for _, m := range named.FindAllSubmatch(text, -1) {
		if !exist[string(m[1])] {
			t.Errorf("there is no %s", m[1])
		}
	}
	for n := 1; n <= 15; n++ {
		row := regexp.MustCompile(fmt.Sprintf(`(?m)^\| %d \|.*$`, n)).Find(text)
		if !named.Match(row) {
			t.Errorf("no test keeps attack %d: %q", n, row)
		}
	}
}
