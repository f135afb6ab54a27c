package rules

import (
	"slices"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	tests := []struct {
		name string
		w    Watch
		m    Machine
		want []string
	}{
		{
			"a directory on x86_64",
			Watch{"/mnt/efs", []string{"delete", "rename"}, "efs", "none"},
			Machine{Arch: "x86_64", IOUring: true},
			[]string{
				"-a always,exit -F arch=b64 -S rename,rmdir,unlink,unlinkat,renameat,renameat2 -F dir=/mnt/efs -F success=1 -F key=efs",
				"-a always,exit -F arch=b32 -S unlink,rename,rmdir,unlinkat,renameat,renameat2 -F dir=/mnt/efs -F success=1 -F key=efs",
				"-a always,io_uring -S renameat,unlinkat -F dir=/mnt/efs -F success=1 -F key=efs",
			},
		},
		{
			"refused calls besides",
			Watch{"/srv/", []string{"delete"}, "", "denied"},
			Machine{Arch: "aarch64"},
			[]string{
				"-a always,exit -F arch=b64 -S unlinkat -F dir=/srv -F success=1",
				"-a always,exit -F arch=b64 -S unlinkat -F dir=/srv -F exit=-EACCES",
				"-a always,exit -F arch=b64 -S unlinkat -F dir=/srv -F exit=-EPERM",
				"-a always,exit -F arch=b32 -S unlink,rmdir,unlinkat -F dir=/srv -F success=1",
				"-a always,exit -F arch=b32 -S unlink,rmdir,unlinkat -F dir=/srv -F exit=-EACCES",
				"-a always,exit -F arch=b32 -S unlink,rmdir,unlinkat -F dir=/srv -F exit=-EPERM",
			},
		},
		{
			"every call on one file",
			Watch{"/etc/passwd", []string{"rename"}, "id", "all"},
			Machine{Arch: "ppc64le", IsDir: func(string) bool { return false }},
			[]string{"-a always,exit -F arch=b64 -S rename,renameat,renameat2 -F path=/etc/passwd -F key=id"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rules, _, err := Expand(tt.w, tt.m)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range rules {
				got = append(got, r.String())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestExpandSaysWhatIsLacking(t *testing.T) {
	_, warnings, err := Expand(Watch{Path: "/srv", Ops: []string{"delete", "rename"}}, Machine{Arch: "aarch64"})
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || warnings[0].Msg != "aarch64 has no unlink, rmdir, rename" {
		t.Errorf("warnings %v", warnings)
	}
}

func TestExpandRefuses(t *testing.T) {
	for name, w := range map[string]Watch{
		"no operation":        {Path: "/srv"},
		"unknown operation":   {Path: "/srv", Ops: []string{"smell"}},
		"relative path":       {Path: "srv", Ops: []string{"delete"}},
		"unknown failures":    {Path: "/srv", Ops: []string{"delete"}, Failures: "some"},
		"a key that is long":  {Path: "/srv", Ops: []string{"delete"}, Key: strings.Repeat("k", 257)},
		"path that is longer": {Path: "/" + strings.Repeat("p/", 3000), Ops: []string{"delete"}},
	} {
		if _, _, err := Expand(w, Machine{Arch: "x86_64"}); err == nil {
			t.Errorf("accepted a watch with %s", name)
		}
	}
}
