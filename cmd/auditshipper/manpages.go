package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"

	"github.com/auditshipper/auditshipper/docs"
	"github.com/auditshipper/auditshipper/internal/safefile"
)

// writeGuides writes the manual pages of sections 5 and 8 into dir. They come
// from what docs/ has, as those of section 1 come from --help.
func writeGuides(dir string) error {
	for _, page := range []struct {
		name, section, brief string
		source               func() ([]byte, error)
	}{
		{"auditshipper.yaml", "5", "configuration of auditshipper", guide("configuration.md")},
		{"auditshipper-event", "5", "events as auditshipper delivers them", eventGuide},
		{"auditshipper", "8", "ship audit events to CloudWatch Logs", guide("daemon.md")},
	} {
		text, err := page.source()
		if err != nil {
			return fmt.Errorf("write manual page %s(%s): %w", page.name, page.section, err)
		}
		head := fmt.Sprintf("%% \"%s\" \"%s\" \"\" \"auditshipper %s\" \"auditshipper\"\n# NAME\n%s - %s\n\n# DESCRIPTION\n",
			strings.ToUpper(page.name), page.section, version(), page.name, page.brief)
		file := filepath.Join(dir, page.name+"."+page.section)
		if err := safefile.WriteFile(file, 0o644, writes(md2man.Render(append([]byte(head), text...)))); err != nil {
			return err
		}
	}
	return nil
}

// writes returns what writes a whole text.
func writes(text []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	}
}

var (
	fenceInfo = regexp.MustCompile("(?m)^```[a-z -]+$")
	relative  = regexp.MustCompile(`\[([^\]]+)\]\([^)]+\)`)
)

// guide turns a document into the body of a manual page: its title goes, its
// chapters become sections, links to files nobody has there become text, and
// tables, which are wider than a terminal, become lists.
func guide(name string) func() ([]byte, error) {
	return func() ([]byte, error) {
		text, err := docs.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		_, text, _ = bytes.Cut(text, []byte("\n"))
		text = fenceInfo.ReplaceAll(text, []byte("```"))
		text = relative.ReplaceAll(text, []byte("$1"))
		return lists(bytes.ReplaceAll(text, []byte("\n## "), []byte("\n# "))), nil
	}
}

// lists turns each table into a definition list: the first column is defined by
// the last, and one between them is its default.
func lists(text []byte) []byte {
	var out bytes.Buffer
	head := 0 // lines of the present table's head that are still to come
	inTable := false
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "|") {
			inTable = false
			out.WriteString(line)
			continue
		}
		if !inTable {
			inTable, head = true, 2
		}
		if head > 0 {
			head--
			continue
		}
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		for i, c := range cells {
			cells[i] = strings.TrimSpace(c)
		}
		term := "**" + strings.ReplaceAll(cells[0], "`", "") + "**"
		if len(cells) > 2 && cells[1] != "" {
			term += ", by default " + cells[1]
		}
		fmt.Fprintf(&out, "%s\n:   %s\n\n", term, cells[len(cells)-1])
	}
	return out.Bytes()
}

// eventGuide lists the fields of an event from its schema, in its order.
func eventGuide() ([]byte, error) {
	text, err := docs.Files.ReadFile("event.schema.json")
	if err != nil {
		return nil, err
	}
	var schema struct {
		Description string
		Properties  json.RawMessage
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s\n\n# FIELDS\n", schema.Description)
	dec := json.NewDecoder(bytes.NewReader(schema.Properties))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var f field
		if err := dec.Decode(&f); err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "**%s**\n:   %s\n\n", name, f)
	}
	return out.Bytes(), nil
}

// A field is what the schema says of one.
type field struct {
	Type        string
	Enum        []string
	Const       any
	Description string
}

func (f field) String() string {
	var parts []string
	switch {
	case f.Type != "":
		parts = append(parts, f.Type)
	case f.Enum != nil:
		parts = append(parts, "one of "+strings.Join(f.Enum, ", "))
	case f.Const != nil:
		parts = append(parts, fmt.Sprintf("always %v", f.Const))
	}
	if f.Description != "" {
		parts = append(parts, f.Description)
	}
	return strings.Join(parts, "; ")
}
