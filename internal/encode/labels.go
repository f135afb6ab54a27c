package encode

import (
	"maps"
	"slices"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A label is a constant field of each event.
type label struct {
	name string
	json []byte // with its name and a comma before it
	ocsf []byte // name:value as a string, with a comma behind it
}

// SetLabels makes labels part of each event from now on.
func (enc *Encoder) SetLabels(labels map[string]string) {
	enc.labels = nil
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		l := label{name: name, json: enc.str(nil, name, labels[name])}
		l.ocsf = append(appendEscaped([]byte{'"'}, name+":"+labels[name]), '"', ',')
		enc.labels = append(enc.labels, l)
	}
}

// appendLabels appends the labels. What an event's records say goes before a label of that
// name.
func (enc *Encoder) appendLabels(dst []byte, e *event.Event) []byte {
	for _, l := range enc.labels {
		said := slices.ContainsFunc(e.Fields(), func(f event.Field) bool { return string(f.Key) == l.name })
		if !said {
			dst = append(dst, l.json...)
		}
	}
	return dst
}

// ocsfLabels appends the labels as OCSF's metadata has them.
func (enc *Encoder) ocsfLabels(dst []byte) []byte {
	if len(enc.labels) == 0 {
		return dst
	}
	dst = append(dst, `"labels":[`...)
	for _, l := range enc.labels {
		dst = append(dst, l.ocsf...)
	}
	dst[len(dst)-1] = ']'
	return append(dst, ',')
}
