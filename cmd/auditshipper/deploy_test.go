package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// The tests here keep what is under deploy/ equal to what the program prints
// and sets up.

// template is the part of the CloudFormation template that the tests look at.
type template struct {
	Resources map[string]struct {
		Type       string         `yaml:"Type"`
		Properties map[string]any `yaml:"Properties"`
	} `yaml:"Resources"`
}

func readTemplate(t *testing.T) template {
	t.Helper()
	text, err := os.ReadFile("../../deploy/cloudformation/auditshipper.yaml")
	if err != nil {
		t.Fatal(err)
	}
	names := exampleNames()
	filled := strings.NewReplacer(
		"${AWS::Partition}", names.partition(), "${AWS::Region}", names.Region, "${AWS::AccountId}", names.Account,
		"${AWS::URLSuffix}", "amazonaws.com", "${LogGroupName}", names.Group,
	).Replace(string(text))
	var tmpl template
	if err := yaml.Unmarshal([]byte(filled), &tmpl); err != nil {
		t.Fatal(err)
	}
	return tmpl
}

// plain undoes Fn::Sub, whose variables are filled in already, and makes
// everything comparable to what encoding/json reads.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if sub, ok := v["Fn::Sub"]; ok {
			return sub
		}
		out := map[string]any{}
		for k, x := range v {
			out[k] = plain(x)
		}
		return out
	case []any:
		out := []any{}
		for _, x := range v {
			out = append(out, plain(x))
		}
		return out
	}
	return v
}

func TestTemplatePolicies(t *testing.T) {
	tmpl := readTemplate(t)
	made := exampleNames()
	made.CreateGroup = false // the template makes the group
	for _, tt := range []struct {
		resource, property, kind string
		names                    awsNames
	}{
		{"WriterPolicy", "PolicyDocument", "writer", made},
		{"WriterBoundary", "PolicyDocument", "boundary", exampleNames()},
		{"ReaderPolicy", "PolicyDocument", "reader", exampleNames()},
		{"Key", "KeyPolicy", "kms", exampleNames()},
	} {
		p, err := policies[tt.kind](tt.names)
		if err != nil {
			t.Fatal(err)
		}
		var want any
		if err := json.Unmarshal([]byte(p.String()), &want); err != nil {
			t.Fatal(err)
		}
		got := plain(tmpl.Resources[tt.resource].Properties[tt.property])
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is not what `aws policy %s` prints:\n%v\nwant\n%v", tt.resource, tt.kind, got, want)
		}
	}
}

func TestTemplateFiltersAndQueries(t *testing.T) {
	filters, queries := map[string]string{}, map[string]string{}
	for _, r := range readTemplate(t).Resources {
		text := func(name string) string { s, _ := r.Properties[name].(string); return s }
		switch r.Type {
		case "AWS::Logs::MetricFilter":
			filters[text("FilterName")] = text("FilterPattern")
		case "AWS::Logs::QueryDefinition":
			queries[text("Name")] = text("QueryString")
		}
	}
	wantFilters, wantQueries := map[string]string{}, map[string]string{}
	for _, f := range metricFilters {
		wantFilters[f.Name] = f.Pattern
	}
	for _, q := range savedQueries {
		wantQueries[q.Name] = q.Text
	}
	if !reflect.DeepEqual(filters, wantFilters) {
		t.Errorf("metric filters %q, want %q", filters, wantFilters)
	}
	if !reflect.DeepEqual(queries, wantQueries) {
		t.Errorf("queries %q, want %q", queries, wantQueries)
	}
}

// TestTerraformSaysTheSame compares texts, since HCL has no parser here.
func TestTerraformSaysTheSame(t *testing.T) {
	text, err := os.ReadFile("../../deploy/terraform/main.tf")
	if err != nil {
		t.Fatal(err)
	}
	// Without indentation and alignment.
	tf := strings.Join(strings.Fields(string(text)), " ")
	has := func(s string) {
		t.Helper()
		if !strings.Contains(tf, strings.Join(strings.Fields(s), " ")) {
			t.Errorf("main.tf lacks %s", s)
		}
	}
	for _, f := range metricFilters {
		has(f.Metric + " = { name = " + strconv.Quote(f.Name) + ", pattern = " + strconv.Quote(f.Pattern) + " }")
	}
	for _, q := range savedQueries {
		has(strconv.Quote(q.Name) + " = <<-EOT " + q.Text + " EOT")
	}
	made := exampleNames()
	made.CreateGroup = false // main.tf makes the group
	for _, write := range policies {
		p, err := write(made)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Statement {
			var quoted []string
			for _, a := range s.Action {
				quoted = append(quoted, strconv.Quote(a))
			}
			has("Sid = " + strconv.Quote(s.Sid) + " Effect = " + strconv.Quote(s.Effect))
			has("Action = [" + strings.Join(quoted, ", ") + "]")
		}
	}
}

// TestUnits has systemd look at the units, with the program in a place where
// there is one, and holds them to how little they may do.
func TestUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip(err)
	}
	var version int
	if text, err := exec.Command(analyze, "--version").Output(); err != nil {
		t.Skip(err)
	} else if _, err := fmt.Sscanf(string(text), "systemd %d", &version); err != nil || version < 250 {
		t.Skipf("systemd %d cannot look at units that are not loaded", version)
	}
	dir := t.TempDir()
	var services []string
	units, err := filepath.Glob("../../deploy/systemd/*.s*")
	if err != nil {
		t.Fatal(err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(dir, filepath.Base(unit))
		text = bytes.ReplaceAll(text, []byte("/usr/bin/auditshipper"), []byte("/bin/true"))
		switch filepath.Ext(unit) {
		case ".service":
			services = append(services, copied)
		case ".socket":
		default:
			continue
		}
		if err := os.WriteFile(copied, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, services...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("verify: %v\n%s", err, out)
	}
	for _, unit := range services {
		out, err := exec.Command(analyze, "security", "--offline=yes", "--no-pager", "--threshold=20", unit).CombinedOutput()
		if err != nil {
			t.Errorf("%s is exposed to more than 2.0: %v\n%s", filepath.Base(unit), err, out)
		}
	}
}
