package ship

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// ErrNoInstance means that the id of this EC2 instance is not known yet.
var ErrNoInstance = errors.New("no instance id: neither DMI nor the instance's metadata (IMDS) tells it")

// ec2 says whether a machine is an EC2 instance.
type ec2 int

const (
	ec2Unknown ec2 = iota // nothing could be read
	ec2No
	ec2Maybe // nothing describes the machine; EC2's own always do
	ec2Yes
)

// A machine is what the firmware says of this computer.
type machine struct {
	ec2      ec2
	instance string // its id; empty if the firmware does not tell it
}

// readMachine reads the firmware's tables below sys, which is /sys. A Nitro
// instance tells its id there. A Xen instance only tells that it is one.
func readMachine(sys string) machine {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(sys, name))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(text))
	}
	const dmi = "devices/virtual/dmi/id"
	vendor := read(dmi + "/sys_vendor")
	switch {
	case vendor == "Amazon EC2":
		m := machine{ec2: ec2Yes}
		if tag := read(dmi + "/board_asset_tag"); isInstanceID(tag) {
			m.instance = tag
		}
		return m
	case strings.HasPrefix(strings.ToLower(read("hypervisor/uuid")), "ec2"), strings.HasSuffix(read(dmi+"/bios_version"), ".amazon"):
		return machine{ec2: ec2Yes}
	case vendor == "Xen" && read("hypervisor/uuid") == "":
		return machine{ec2: ec2Unknown}
	case vendor != "":
		return machine{ec2: ec2No}
	}
	if _, err := os.Stat(filepath.Join(sys, "devices/virtual")); err != nil {
		return machine{ec2: ec2Unknown}
	}
	return machine{ec2: ec2Maybe}
}

// isInstanceID reports whether text has the form i-0123456789abcdef0.
func isInstanceID(text string) bool {
	digits, ok := strings.CutPrefix(text, "i-")
	return ok && len(digits) >= 8 && len(digits) <= 17 && strings.Trim(digits, "0123456789abcdef") == ""
}

// LocalInstance returns this instance's id if the firmware tells it. It asks no
// network.
func LocalInstance() string { return readMachine("/sys").instance }
