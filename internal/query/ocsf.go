package query

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
)

// An ocsfEvent is what the daemon writes in cloudwatch.format: ocsf.
type ocsfEvent struct {
	ActivityName string `json:"activity_name"`
	StatusID     int    `json:"status_id"`
	StatusDetail string `json:"status_detail"`
	Metadata     struct {
		UID     string `json:"uid"`
		Product struct {
			Name string `json:"name"`
		} `json:"product"`
	} `json:"metadata"`
	Device struct {
		Hostname string `json:"hostname"`
	} `json:"device"`
	Actor struct {
		Process ocsfProcess `json:"process"`
		User    ocsfUser    `json:"user"`
		Session struct {
			UID string `json:"uid"`
		} `json:"session"`
	} `json:"actor"`
	File       ocsfFile       `json:"file"`
	FileResult ocsfFile       `json:"file_result"`
	Unmapped   map[string]any `json:"unmapped"`
}

type ocsfProcess struct {
	Name    string   `json:"name"`
	PID     uint32   `json:"pid"`
	CmdLine string   `json:"cmd_line"`
	File    ocsfFile `json:"file"`
	Parent  struct {
		PID uint32 `json:"pid"`
	} `json:"parent_process"`
	User ocsfUser `json:"user"`
}

type ocsfUser struct {
	UID  string `json:"uid"`
	Name string `json:"name"`
}

type ocsfFile struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	Parent string `json:"parent_folder"`
	TypeID int    `json:"type_id"`
	UID    string `json:"uid"`
}

// ocsfTypes are the words of our own format for OCSF's types of files.
var ocsfTypes = []string{"", "file", "dir", "char", "block", "socket", "fifo", "symlink"}

// fromOCSF makes of an event in OCSF one in the daemon's own format. It returns
// false for anything else.
func fromOCSF(text string) (jsonEvent, bool) {
	if !strings.HasPrefix(text, `{"class_uid":`) {
		return jsonEvent{}, false
	}
	var o ocsfEvent
	if json.Unmarshal([]byte(text), &o) != nil || o.Metadata.Product.Name != "auditshipper" {
		return jsonEvent{}, false
	}
	say := func(key string) string { s, _ := o.Unmapped[key].(string); return s }
	p := o.Actor.Process
	j := jsonEvent{
		ID: o.Metadata.UID, Host: o.Device.Hostname, Action: o.ActivityName, Errno: o.StatusDetail,
		Key: say("key"), Syscall: say("syscall"), PathFrom: say("path_from"), DestFrom: say("dest_from"),
		Path: o.File.known(), Parent: o.File.Parent, Dest: o.FileResult.known(), DestParent: o.FileResult.Parent,
		Inode: o.File.UID, Dev: say("dev"), TTY: say("tty"), Cwd: say("cwd"), Container: say("container"), Unit: say("unit"), SSMSession: say("ssm_session"), LoginAddr: say("login_addr"), LoginTerm: say("login_term"),
		PID: p.PID, PPID: p.Parent.PID, Comm: p.Name, Exe: p.File.Path, Cmd: p.CmdLine,
		UID: ocsfID(p.User.UID), UIDName: p.User.Name, Ses: ocsfID(o.Actor.Session.UID),
		Partial: o.Unmapped["partial"] == true,
	}
	if o.StatusID != 0 {
		success := o.StatusID == 1
		j.Success = &success
	}
	if t := o.File.TypeID; t > 0 && t < len(ocsfTypes) {
		j.Type = ocsfTypes[t]
	}
	if j.Action == "exec" {
		j.Path = j.Exe // there is no other in a process activity
	}
	if j.Ses != nil { // else the user is who it was at that moment
		j.AUID, j.AUIDName = ocsfID(o.Actor.User.UID), o.Actor.User.Name
	}
	return j, true
}

// known is the path, or the name where that is all there is.
func (f *ocsfFile) known() string {
	if f.Path != "" {
		return f.Path
	}
	return f.Name
}

func ocsfID(s string) *uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || uint32(n) == event.Unset {
		return nil
	}
	id := uint32(n)
	return &id
}
