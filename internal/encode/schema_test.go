package encode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A schema is the part of JSON Schema that docs/event.schema.json uses.
type schema struct {
	Type       any               `json:"type"`
	Const      any               `json:"const"`
	Enum       []any             `json:"enum"`
	Pattern    string            `json:"pattern"`
	Required   []string          `json:"required"`
	Properties map[string]schema `json:"properties"`
	Additional *schema           `json:"additionalProperties"`
}

func (s schema) check(at string, v any) error {
	if s.Type != nil && !s.hasType(v) {
		return fmt.Errorf("%s: %v is not of type %v", at, v, s.Type)
	}
	if s.Const != nil && !reflect.DeepEqual(s.Const, v) {
		return fmt.Errorf("%s: %v is not %v", at, v, s.Const)
	}
	if s.Enum != nil && !slices.Contains(s.Enum, v) {
		return fmt.Errorf("%s: %v is not one of %v", at, v, s.Enum)
	}
	if text, ok := v.(string); ok && s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(text) {
		return fmt.Errorf("%s: %q does not match %s", at, text, s.Pattern)
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	for _, key := range s.Required {
		if _, ok := object[key]; !ok {
			return fmt.Errorf("%s: no %s", at, key)
		}
	}
	for key, v := range object {
		of, ok := s.Properties[key]
		if !ok {
			of = *s.Additional
		}
		if err := of.check(at+"."+key, v); err != nil {
			return err
		}
	}
	return nil
}

func (s schema) hasType(v any) bool {
	names, ok := s.Type.([]any)
	if !ok {
		names = []any{s.Type}
	}
	switch v := v.(type) {
	case string:
		return slices.Contains(names, any("string"))
	case bool:
		return slices.Contains(names, any("boolean"))
	case float64:
		return v == math.Trunc(v) && slices.Contains(names, any("integer"))
	case map[string]any:
		return slices.Contains(names, any("object"))
	}
	return false
}

// TestSchema keeps docs/event.schema.json true: every event of the corpus and of
// the workloads is valid by it, and no file event has a key it does not name.
func TestSchema(t *testing.T) {
	text, err := os.ReadFile("../../docs/event.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	for _, log := range readAll(t) {
		for line := range bytes.Lines(jsonOf(t, log)) {
			var v map[string]any
			if err := json.Unmarshal(line, &v); err != nil {
				t.Fatal(err)
			}
			if err := s.check("event", v); err != nil {
				t.Errorf("%v\nin %s", err, line)
			}
			if _, ok := v["path_from"]; !ok {
				continue
			}
			for key := range v {
				if _, ok := s.Properties[key]; !ok {
					t.Errorf("a file event has the key %s: %s", key, line)
				}
			}
		}
	}
}

// TestSchemaHasNotes requires that the schema has each field of the daemon's own events.
func TestSchemaHasNotes(t *testing.T) {
	text, err := os.ReadFile("../../docs/event.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../daemon/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no sources", err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`NoteField\{Key: "(\w+)"|\{Key: "(\w+)", Value`).FindAllSubmatch(source, -1) {
			key := string(m[1]) + string(m[2])
			if _, ok := s.Properties[key]; !ok && !strings.HasSuffix(file, "_test.go") {
				t.Errorf("%s: the schema lacks %s", file, key)
			}
		}
	}
}
