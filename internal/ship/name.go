package ship

import "strings"

// maxName is the longest name of a stream, in characters.
const maxName = 512

// StreamName fills in {hostname} and {instance_id}, and replaces what a
// stream's name may not hold (: and *). instance is asked only if it is wanted;
// where it has no answer, the host's name stands in.
func StreamName(template, host string, instance func() string) string {
	name := strings.ReplaceAll(template, "{hostname}", host)
	if strings.Contains(name, "{instance_id}") {
		id := instance()
		if id == "" {
			id = host
		}
		name = strings.ReplaceAll(name, "{instance_id}", id)
	}
	name = strings.NewReplacer(":", "_", "*", "_").Replace(strings.ToValidUTF8(name, "_"))
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName])
	}
	return name
}
