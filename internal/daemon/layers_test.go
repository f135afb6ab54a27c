package daemon

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// may lists which of our packages a package imports, besides those that only
// daemon and cmd join. What is not listed may import none.
var may = map[string][]string{
	"paths":      {"dirtree", "event"},
	"encode":     {"event"},
	"query":      {"encode", "event", "journal", "paths"},
	"host":       {"event", "paths"}, // their types
	"journal":    {"safefile"},
	"kaudit":     {"safefile"},
	"kerneltest": {"kaudit"},
	"rules":      {"kaudit", "safefile"}, // the first is its interface to the kernel
}

// never lists what a package does not import, because it would change what it is.
var never = map[string][]string{
	"event":   {"os", "net", "net/http", "go.uber.org/zap"},
	"paths":   {"os", "net", "net/http", "go.uber.org/zap"},
	"dirtree": {"os", "net", "net/http", "go.uber.org/zap", "time"},
	"encode":  {"os", "net", "net/http", "go.uber.org/zap"},
	"host":    {"go.uber.org/zap"},
	"kaudit":  {"go.uber.org/zap"},
	"journal": {"go.uber.org/zap", "net"},
}

// TestLayers keeps ARCHITECTURE.md true: packages point one way.
func TestLayers(t *testing.T) {
	const internal = "github.com/auditshipper/auditshipper/internal/"
	files, err := filepath.Glob("../*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		pkg := filepath.Base(filepath.Dir(file))
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range f.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			if path == "os/exec" {
				t.Errorf("%s imports %s; only cmd may", file, path)
			}
			if pkg == "daemon" {
				continue
			}
			if ours, ok := strings.CutPrefix(path, internal); ok && !slices.Contains(may[pkg], ours) {
				t.Errorf("%s imports %s; only daemon and cmd may", file, path)
			}
			if slices.Contains(never[pkg], path) {
				t.Errorf("%s imports %s, which %s never does", file, path, pkg)
			}
			if strings.Contains(path, "/aws/") && !strings.HasPrefix(filepath.Base(file), "cloudwatch") {
				t.Errorf("%s imports %s; only ship/cloudwatch*.go may", file, path)
			}
		}
	}
}
