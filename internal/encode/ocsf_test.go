package encode

import (
	"encoding/json"
	"strings"
	"testing"
)

// required are the attributes that OCSF 1.5.0 requires, by class; a dot leads
// into an object.
var required = map[int][]string{
	ocsfBase: {"activity_id", "category_uid", "class_uid", "metadata.product.vendor_name", "metadata.version", "severity_id", "time", "type_uid"},
	ocsfFile: {
		"activity_id", "actor", "category_uid", "class_uid", "device.type_id", "file.name", "file.type_id",
		"metadata.product.vendor_name", "metadata.version", "severity_id", "time", "type_uid",
	},
	ocsfProcess: {
		"activity_id", "actor", "category_uid", "class_uid", "device.type_id", "process",
		"metadata.product.vendor_name", "metadata.version", "severity_id", "time", "type_uid",
	},
}

// TestOCSF requires every event of the captures to be what OCSF calls valid.
func TestOCSF(t *testing.T) {
	activities := map[float64]int{}
	enc := &Encoder{Host: "h", Names: someUsers{}}
	for _, log := range readAll(t) {
		for _, e := range eventsOf(t, log) {
			line := enc.AppendOCSF(nil, e)
			var v map[string]any
			if err := json.Unmarshal(line, &v); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			class := int(v["class_uid"].(float64))
			for _, path := range required[class] {
				if !hasPath(v, path) {
					t.Errorf("class %d without %s: %s", class, path, line)
				}
			}
			checkOCSF(t, "event", v)
			if v["type_uid"].(float64) != v["class_uid"].(float64)*100+v["activity_id"].(float64) {
				t.Errorf("type_uid is wrong: %s", line)
			}
			activities[v["type_uid"].(float64)]++
		}
	}
	for _, want := range []float64{100101, 100102, 100103, 100104, 100105, 100106, 100107, 100701, 99} {
		if activities[want] == 0 {
			t.Errorf("no event of type %v in the corpus: %v", want, activities)
		}
	}
}

func hasPath(v map[string]any, path string) bool {
	key, rest, deeper := strings.Cut(path, ".")
	in, ok := v[key]
	if !ok || !deeper {
		return ok
	}
	inner, ok := in.(map[string]any)
	return ok && hasPath(inner, rest)
}
