package host

import (
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// namesExpire is how long names of /etc/passwd are believed.
const namesExpire = time.Minute

// Names gives users and file systems their names. Users' come from the host's
// own file, which is read again when what it said expires, and of those who are
// not there from the name service.
type Names struct {
	mounts  *MountTable
	path    string // /etc/passwd: name:…:number in the third field
	service *NameService
	now     func() time.Time
	loaded  time.Time
	byID    map[uint32]string
}

// NewNames returns the names of this host's users and of the file systems in mounts.
func NewNames(mounts *MountTable, service *NameService) *Names {
	return &Names{mounts: mounts, path: "/etc/passwd", service: service, now: time.Now}
}

// UserName implements encode.Names; a user without a name, or whose name is not
// known yet, has an empty one.
func (n *Names) UserName(id uint32) string {
	now := n.now()
	if n.byID == nil || now.Sub(n.loaded) > namesExpire || now.Before(n.loaded) {
		n.load()
		n.loaded = now
	}
	if name, ok := n.byID[id]; ok {
		return name
	}
	return n.service.userName(id, now)
}

// FileSystem implements encode.Names.
func (n *Names) FileSystem(dev event.Dev) (id, accessPoint string) {
	f := n.mounts.fileSystem(dev)
	return f.ID, f.AccessPoint
}

// load reads the file again. One that cannot be read leaves numbers nameless,
// which loses nothing: the number is in the event.
func (n *Names) load() {
	n.byID = map[uint32]string{}
	text, err := os.ReadFile(n.path)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(line, ":", 4)
		if len(f) < 4 {
			continue
		}
		id, err := strconv.ParseUint(f[2], 10, 32)
		if _, taken := n.byID[uint32(id)]; err == nil && !taken {
			n.byID[uint32(id)] = f[0]
		}
	}
}
