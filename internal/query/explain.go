package query

import (
	"fmt"
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/paths"
)

// explain tells in lines for a person how the paths of an event came about.
func explain(e *event.Event, told []paths.Explanation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %s", e.ID, e.Action)
	if e.Syscall != "" && e.Syscall != e.Action {
		fmt.Fprintf(&b, " (%s)", e.Syscall)
	}
	b.WriteString("\n")
	if e.Partial {
		b.WriteString("records of this event are missing\n")
	}
	if e.Path.From == event.FromNone && e.Dest.From == event.FromNone {
		b.WriteString("no path of it had to be found\n")
		return b.String()
	}
	explainName(&b, "path", &e.Path, nameOf(told, false))
	if e.HasDest {
		explainName(&b, "dest", &e.Dest, nameOf(told, true))
	}
	return b.String()
}

// nameOf is the explanation of one of the two names, nil if there is none.
func nameOf(told []paths.Explanation, dest bool) *paths.Explanation {
	for i := range told {
		if told[i].Dest == dest {
			return &told[i]
		}
	}
	return nil
}

func explainName(b *strings.Builder, what string, n *event.Name, told *paths.Explanation) {
	path := n.Path
	if path == nil {
		path = n.Dir
	}
	fmt.Fprintf(b, "\n%s: %s\n%s_from: %v\n", what, shown(string(path)), what, n.From)
	if told == nil {
		b.WriteString("  no record has the inode of its directory\n")
	} else {
		explainWay(b, told)
	}
	b.WriteString("  " + fromWords[n.From] + "\n")
}

// explainWay tells each step from the name's directory up.
func explainWay(b *strings.Builder, told *paths.Explanation) {
	if told.Given != "" {
		fmt.Fprintf(b, "  given: %s\n", shown(told.Given))
	}
	if told.Words != "" {
		fmt.Fprintf(b, "  by the caller's own words the directory is %s\n", shown(told.Words))
	}
	for i, step := range told.Steps {
		fmt.Fprintf(b, "  directory %d on %02x:%02x", step.Dir.Ino, uint32(step.Dir.Dev>>32), uint32(step.Dir.Dev))
		switch {
		case !step.Proven:
			b.WriteString(": its place is not proven\n")
		case i+1 < len(told.Steps):
			fmt.Fprintf(b, " is %s in %d\n", shown(step.Name), told.Steps[i+1].Dir.Ino)
		default:
			fmt.Fprintf(b, " is %s\n", shown(step.Name))
		}
		fmt.Fprintf(b, "    %s\n", step.Rule)
		if step.Fact != (event.ID{}) {
			fmt.Fprintf(b, "    event %v\n", step.Fact)
		}
	}
}

// shown is a name as it may stand on a terminal.
func shown(name string) string { return string(appendEscaped(nil, []byte(name), "tty")) }

// What a replay can say of each path_from. It has no looks, so that it never says absolute,
// cwd or proc of its own.
var fromWords = map[event.From]string{
	event.FromTrail: "rule: every directory on the way is proven by facts of the kernel's.",
	event.FromClaimed: "rule: nothing in the records contradicts the caller's own words, and nothing confirms them.\n" +
		"  The daemon confirms them by a look at the host when the event comes, and then says\n" +
		"  absolute, cwd or trail. Its looks are in no journal, so this replay cannot.",
	event.FromUnresolved: "rule: no facts lead to the root, and no words of the caller name the directory.\n" +
		"  The daemon may have found it by a look at the host. Its looks are in no journal, so\n" +
		"  this replay cannot tell.",
}
