package ship

import "strings"

// maxName is the longest name of a stream, in characters.
const maxName = 512

// instanceWord stands for the instance's id in a stream's name.
const instanceWord = "{instance_id}"

// An Identity is the host that items are from. It fills in the stream's name.
type Identity struct {
	Host     string
	Instance string // the EC2 instance's id; empty off EC2, or if it is not known yet
}

// StreamName fills in {hostname} and {instance_id}, and replaces what a
// stream's name may not hold (: and *). The host's name stands in for the id of
// a host that is no instance.
func StreamName(template string, from Identity) string {
	if from.Instance == "" {
		from.Instance = from.Host
	}
	name := strings.ReplaceAll(template, "{hostname}", from.Host)
	name = strings.ReplaceAll(name, instanceWord, from.Instance)
	name = strings.NewReplacer(":", "_", "*", "_").Replace(strings.ToValidUTF8(name, "_"))
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName])
	}
	return name
}
