package rules

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A File is what a rule file asks for.
type File struct {
	Name     string
	Rules    []Rule // in the order in which the kernel is to hold them
	Settings []Setting
	Warnings []Warning

	// GoOn is set by -c in the file: what is right is to be applied although
	// something else is wrong.
	GoOn bool
}

// ParseFile reads a rule file to its end. All faults are reported at once, as
// Errors; what is right is returned beside them. Behind -i faults are warnings.
func ParseFile(name string, r io.Reader, o Options) (File, error) {
	p := fileParser{file: File{Name: name}, o: o.withDefaults()}
	in := bufio.NewReader(r)
	for n := 1; ; n++ {
		text, err := in.ReadString('\n')
		if text != "" {
			p.parse(n, p.bare(n, text))
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return p.file, fmt.Errorf("read %s: %w", name, err)
		}
	}
	if len(p.errs) > 0 {
		return p.file, p.errs
	}
	return p.file, nil
}

// A fileParser reads a file line by line.
type fileParser struct {
	file   File
	o      Options
	ignore bool
	crlf   bool // said already
	errs   Errors
}

// bare takes off what editors of other systems put around a line, which auditctl
// would make a part of a word, and says so once a file.
func (p *fileParser) bare(n int, text string) string {
	text = strings.TrimSuffix(text, "\n")
	if rest, has := strings.CutPrefix(text, "\ufeff"); has && n == 1 {
		text = rest
		p.file.Warnings = append(p.file.Warnings, Warning{p.file.Name, n, "bom", "the file begins with a byte order mark, which auditctl takes for a part of the first word; it is left out here", "save the file without it"})
	}
	rest, has := strings.CutSuffix(text, "\r")
	if has && !p.crlf {
		p.crlf = true
		p.file.Warnings = append(p.file.Warnings, Warning{p.file.Name, n, "crlf", "lines end with CR LF, and auditctl takes the CR for a part of the last word; it is left out here", "save the file with Unix line ends: sed -i 's/\\r$//'"})
	}
	return rest
}

func (p *fileParser) parse(n int, text string) {
	words := Split(text)
	if len(words) == 0 || strings.HasPrefix(words[0], "#") {
		return
	}
	line, err := parseWords(words, p.o)
	p.ignore = p.ignore || line.ignoreErrors
	p.file.GoOn = p.file.GoOn || line.goOn
	if err != nil {
		err.File, err.Line = p.file.Name, n
		p.fault(err)
		return
	}
	p.take(n, line)
}

func (p *fileParser) fault(err *ParseError) {
	if p.ignore && !p.file.GoOn {
		p.file.Warnings = append(p.file.Warnings, Warning{err.File, err.Line, "ignored", err.Msg + " (ignored because of -i)", err.Fix})
		return
	}
	p.errs = append(p.errs, err)
}

func (p *fileParser) take(n int, line Line) {
	for _, s := range line.Settings {
		s.File, s.Line = p.file.Name, n
		p.file.Settings = append(p.file.Settings, s)
	}
	for _, w := range line.Warnings {
		w.File, w.Line = p.file.Name, n
		p.file.Warnings = append(p.file.Warnings, w)
	}
	if line.Add != nil {
		line.Add.File, line.Add.Line = p.file.Name, n
		p.file.Rules = append(p.file.Rules, *line.Add)
	}
	if line.Delete != nil {
		p.takeAway(n, line.Delete)
	}
}

// takeAway takes a rule of this file back, as -d and -W do. The kernel's other
// rules are not the file's.
func (p *fileParser) takeAway(n int, r *Rule) {
	sum := r.Sum()
	i := slices.IndexFunc(p.file.Rules, func(have Rule) bool { return have.Sum() == sum })
	if i < 0 {
		p.file.Warnings = append(p.file.Warnings, Warning{p.file.Name, n, "delete", "deletes no rule of this file; rules of others stay", "take the line out"})
		return
	}
	p.file.Rules = slices.Delete(p.file.Rules, i, i+1)
}

// Split splits a line into words as auditctl does: at spaces only. A backslash
// before a space or a backslash makes that a part of the word.
func Split(line string) []string {
	var words []string
	var word []byte
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && i+1 < len(line) && (line[i+1] == ' ' || line[i+1] == '\\'):
			i++
			word = append(word, line[i])
		case c != ' ':
			word = append(word, c)
		case len(word) > 0:
			words = append(words, string(word))
			word = word[:0]
		}
	}
	if len(word) > 0 {
		words = append(words, string(word))
	}
	return words
}

// escaped is the text as Split makes one word of it.
func escaped(text string) string {
	return strings.NewReplacer(`\`, `\\`, " ", `\ `).Replace(text)
}
