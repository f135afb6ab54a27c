package paths

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What one head can hold.
const (
	mostLines   = 400 // of a file
	mostFields  = 20  // of a struct
	mostMethods = 40  // of a type
	fewComments = 25  // percent of the lines, in the packages that find paths
)

// TestShape keeps the packages that find paths such that one head can hold them, and lets
// event know nothing of paths.
func TestShape(t *testing.T) {
	for dir, commented := range map[string]bool{".": true, "../dirtree": true, "../event": false} {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files: %v", dir, err)
		}
		p := shape{t: t, methods: map[string]int{}, tests: map[string]bool{}}
		for _, file := range files {
			p.file(file)
		}
		for _, name := range p.kept {
			if !p.tests[name] {
				t.Errorf("%s: a comment names %s, which is not there", dir, name)
			}
		}
		for name, n := range p.methods {
			if n > mostMethods {
				t.Errorf("%s: type %s has %d methods, want at most %d", dir, name, n, mostMethods)
			}
		}
		if p.comments*100 < p.lines*fewComments && commented {
			t.Errorf("%s: %d of %d lines are comments, want %d %%", dir, p.comments, p.lines, fewComments)
		}
	}
}

type shape struct {
	t               *testing.T
	tests           map[string]bool // that there are
	kept            []string        // that comments name
	methods         map[string]int  // of each type, without those of embedded ones
	lines, comments int
}

func (p *shape) file(name string) {
	text, err := os.ReadFile(name)
	if err != nil {
		p.t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > mostLines {
		p.t.Errorf("%s has %d lines, want at most %d", name, n, mostLines)
	}
	if strings.HasSuffix(name, "_test.go") {
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(text, -1) {
			p.tests[string(m[1])] = true
		}
		return
	}
	for _, m := range regexp.MustCompile(`(?m)^// Test: (.*)$`).FindAllSubmatch(text, -1) {
		p.kept = append(p.kept, regexp.MustCompile(`Test\w+`).FindAllString(string(m[1]), -1)...)
	}
	for line := range strings.Lines(string(text)) {
		p.lines++
		if strings.HasPrefix(strings.TrimSpace(line), "//") || strings.Contains(line, " // ") {
			p.comments++
		}
	}
	f, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, imp := range f.Imports {
		if f.Name.Name == "event" && strings.HasSuffix(imp.Path.Value, `/paths"`) {
			p.t.Errorf("%s imports paths", name)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv != nil {
				p.methods[receiver(n.Recv.List[0].Type)]++
			}
		case *ast.TypeSpec:
			if s, ok := n.Type.(*ast.StructType); ok {
				if k := fieldsOf(s); k > mostFields {
					p.t.Errorf("%s: %s has %d fields, want at most %d", name, n.Name, k, mostFields)
				}
			}
		}
		return true
	})
}

func receiver(typ ast.Expr) string {
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	return typ.(*ast.Ident).Name
}

// fieldsOf is how many fields a struct has; an embedded one is one.
func fieldsOf(s *ast.StructType) (n int) {
	for _, f := range s.Fields.List {
		n += max(1, len(f.Names))
	}
	return n
}
