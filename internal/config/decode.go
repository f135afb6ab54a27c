package config

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// prefix is what the environment variables of the configuration begin with:
// AUDITSHIPPER_CLOUDWATCH_GROUP is the key cloudwatch.group.
const prefix = "AUDITSHIPPER_"

// notKeys are variables with our prefix that are not keys.
var notKeys = []string{prefix + "CONFIG", prefix + "KERNEL", prefix + "MUST_RUN", prefix + "TEST_ENDPOINT"}

// A decoder fills a Config and collects what is wrong instead of stopping.
type decoder struct {
	name     string // of the file, or the environment variable
	env      bool
	faults   []error
	warnings []*Fault
	places   map[string]string
}

func (d *decoder) place(node ast.Node) string {
	if d.env || node == nil || node.GetToken() == nil {
		return d.name
	}
	return d.name + ":" + strconv.Itoa(node.GetToken().Position.Line)
}

func (d *decoder) fault(place, key, fix, format string, args ...any) {
	d.faults = append(d.faults, &Fault{Place: place, Key: key, Msg: fmt.Sprintf(format, args...), Fix: fix})
}

// warn notes what is most likely a mistake and changes nothing.
func (d *decoder) warn(place, fix, msg string) {
	d.warnings = append(d.warnings, &Fault{Place: place, Msg: msg, Fix: fix})
}

// file decodes a YAML document into c. Editors of other systems leave a byte order
// mark and carriage returns, which mean nothing here.
func (d *decoder) file(name string, text []byte, c *Config) {
	d.name = name
	if rest, ok := bytes.CutPrefix(text, []byte("\ufeff")); ok {
		text = rest
		d.warn(name+":1", "", "the file begins with a byte order mark, which is ignored")
	}
	if bytes.Contains(text, []byte("\r\n")) {
		text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
		d.warn(name, "", "lines end in CR LF, of which the CR is ignored")
	}
	if node := d.parse(text); node != nil {
		d.decode(node, "", reflect.ValueOf(c).Elem())
	}
}

// parse returns the root of the document, nil if it is empty or not YAML.
func (d *decoder) parse(text []byte) ast.Node {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		d.syntax(err)
		return nil
	}
	if len(file.Docs) > 1 {
		d.fault(d.place(file.Docs[1].Body), "", "", "one document is enough; this is a second one")
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return nil
	}
	return file.Docs[0].Body
}

// syntax reports what the YAML parser said, with the line in front. The
// parser's text begins "[line:column] what" and goes on with an excerpt.
func (d *decoder) syntax(err error) {
	msg, _, _ := strings.Cut(err.Error(), "\n")
	place := d.name
	if pos, rest, ok := strings.Cut(strings.TrimPrefix(msg, "["), "] "); ok {
		line, _, _ := strings.Cut(pos, ":")
		if !d.env {
			place += ":" + line
		}
		msg = rest
	}
	d.fault(place, "", "", "not YAML: %s", msg)
}

// environ decodes the variables of the environment that are keys.
func (d *decoder) environ(environ []string, c *Config) {
	keys := map[string]string{}
	envKeys("", reflect.TypeFor[Config](), keys)
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, prefix) || slices.Contains(notKeys, name) {
			continue
		}
		d.name, d.env = name, true
		key, ok := keys[name]
		if !ok {
			d.warn(name, nearest(name, keys), "no key of the configuration has this name; the variable is ignored")
			continue
		}
		d.variable(key, value, reflect.ValueOf(c).Elem())
	}
}

// variable sets key to value, which is YAML except where a string is wanted.
func (d *decoder) variable(key, value string, v reflect.Value) {
	for part := range strings.SplitSeq(key, ".") {
		f, _ := fieldOf(v.Type(), part)
		v = v.FieldByIndex(f.Index)
	}
	d.places[key] = d.name
	if v.Kind() == reflect.String {
		v.SetString(value)
		return
	}
	if node := d.parse([]byte(value)); node != nil {
		d.decode(node, key, v)
	}
}

// envKeys maps the environment's names of the keys below t to the keys.
func envKeys(key string, t reflect.Type, into map[string]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("yaml")
		switch {
		case name == "":
		case f.Type.Kind() == reflect.Struct:
			envKeys(join(key, name), f.Type, into)
		default:
			full := join(key, name)
			into[prefix+strings.ToUpper(strings.ReplaceAll(full, ".", "_"))] = full
		}
	}
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// decode sets v to what node says.
func (d *decoder) decode(node ast.Node, key string, v reflect.Value) {
	if a, ok := node.(*ast.AnchorNode); ok {
		node = a.Value
	}
	if _, ok := node.(*ast.NullNode); ok {
		return // "key:" with nothing behind it keeps the default
	}
	if key != "" {
		d.places[key] = d.place(node)
	}
	switch {
	case v.Kind() == reflect.Struct:
		d.structure(node, key, v)
	case v.Kind() == reflect.Slice:
		d.sequence(node, key, v)
	case v.Kind() == reflect.Map:
		d.mapping(node, key, v)
	default:
		d.scalar(node, key, v)
	}
}

// pairs returns the entries of a mapping, reporting keys given twice.
func (d *decoder) pairs(node ast.Node, key string) []*ast.MappingValueNode {
	m, ok := node.(ast.MapNode)
	if !ok {
		d.fault(d.place(node), key, "", "a mapping (key: value) is wanted, not %s", describe(node))
		return nil
	}
	var pairs []*ast.MappingValueNode
	seen := map[string]bool{}
	for it := m.MapRange(); it.Next(); {
		name := it.Key().String()
		if seen[name] {
			d.fault(d.place(it.Key()), join(key, name), "", "given twice")
		}
		seen[name] = true
		pairs = append(pairs, it.KeyValue())
	}
	return pairs
}

func (d *decoder) structure(node ast.Node, key string, v reflect.Value) {
	for _, pair := range d.pairs(node, key) {
		name := unquote(pair.Key)
		f, known := fieldOf(v.Type(), name)
		if !known {
			d.fault(d.place(pair.Key), join(key, name), nearest(name, fieldNames(v.Type())), "unknown key")
			continue
		}
		d.places[join(key, name)] = d.place(pair.Key)
		d.decode(pair.Value, join(key, name), v.FieldByIndex(f.Index))
	}
}

func (d *decoder) sequence(node ast.Node, key string, v reflect.Value) {
	s, ok := node.(*ast.SequenceNode)
	if !ok {
		d.fault(d.place(node), key, "", "a list is wanted, not %s", describe(node))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values))
	for i, item := range s.Values {
		d.decode(item, fmt.Sprintf("%s[%d]", key, i), list.Index(i))
	}
	v.Set(list)
}

func (d *decoder) mapping(node ast.Node, key string, v reflect.Value) {
	m := reflect.MakeMap(v.Type())
	for _, pair := range d.pairs(node, key) {
		value := reflect.New(v.Type().Elem()).Elem()
		d.decode(pair.Value, join(key, unquote(pair.Key)), value)
		m.SetMapIndex(reflect.ValueOf(unquote(pair.Key)), value)
	}
	v.Set(m)
}

// scalar sets v from a single value. Strings take any scalar as it is written,
// so that `require_mount: true` and `uid: 0` need no quotes.
func (d *decoder) scalar(node ast.Node, key string, v reflect.Value) {
	s, ok := node.(ast.ScalarNode)
	if !ok {
		d.fault(d.place(node), key, "", "a single value is wanted, not %s", describe(node))
		return
	}
	if err := setScalar(v, scalarText(s)); err != nil {
		d.fault(d.place(node), key, "", "%v", err)
	}
}

func setScalar(v reflect.Value, text string) error {
	switch v.Interface().(type) {
	case time.Duration:
		t, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 1s or 500ms", text)
		}
		v.SetInt(int64(t))
	case Size:
		n, err := ParseSize(text)
		if err != nil {
			return err
		}
		v.SetInt(int64(n))
	case bool:
		b, ok := map[string]bool{"true": true, "false": false}[text]
		if !ok {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(b)
	case int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		v.SetInt(int64(n))
	case string:
		v.SetString(text)
	default:
		panic("config: a key of type " + v.Type().String())
	}
	return nil
}

// scalarText is a scalar as the author wrote it, without quotes.
func scalarText(s ast.ScalarNode) string {
	switch s := s.(type) {
	case *ast.StringNode:
		return s.Value
	case *ast.LiteralNode:
		return s.Value.Value
	}
	return s.GetToken().Value
}

func unquote(key ast.MapKeyNode) string {
	if s, ok := key.(ast.ScalarNode); ok {
		return scalarText(s)
	}
	return key.String()
}

func describe(node ast.Node) string {
	switch node.(type) {
	case ast.MapNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AliasNode:
		return "an alias"
	}
	return "a single value"
}

func fieldOf(t reflect.Type, name string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if f := t.Field(i); name != "" && f.Tag.Get("yaml") == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func fieldNames(t reflect.Type) map[string]string {
	names := map[string]string{}
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" {
			names[name] = name
		}
	}
	return names
}
