package rules

import (
	"slices"
	"strings"
	"testing"
)

// TestExcludes tells which records of our events exclude rules leave out.
func TestExcludes(t *testing.T) {
	all := needed
	for line, want := range map[string][]uint32{
		"-a exclude,always -F msgtype>0":                     all,
		"-a exclude,never -F msgtype>0":                      all,
		"-a exclude,always -F msgtype!=USER_LOGIN":           all,
		"-a exclude,always -F msgtype=SYSCALL":               {1300},
		"-a exclude,always -F msgtype=PATH":                  {1302},
		"-a exclude,always -F msgtype=CWD":                   {1307},
		"-a exclude,always -F msgtype=EOE":                   {1320},
		"-a exclude,always -F msgtype=PROCTITLE":             {1327},
		"-a exclude,always -F msgtype=CONFIG_CHANGE":         {1305},
		"-a exclude,always -F msgtype>=1300 -F msgtype<1308": {1300, 1302, 1305, 1307},
		"-a exclude,always -F msgtype<=1300":                 {1300},
		"-a exclude,always -F msgtype=CRYPTO_KEY_USER":       nil,
		"-a exclude,always -F msgtype=PATH -F uid=33":        {1302},
		"-a exclude,always -F uid=0":                         all,
		"-a exclude,always -F exe=/usr/bin/rm":               all,
		"-a user,never -F msgtype>0":                         nil,
		"-a exit,never -S open":                              nil,
	} {
		f, err := ParseFile("x", strings.NewReader(line+"\n"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Rules[0].Excludes(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
		warned := slices.ContainsFunc(Linter{}.Lint(f.Rules), func(w Warning) bool { return w.Code == "exclude" })
		p := MakePlan(f.Rules, State{}, nil)
		if warned != (want != nil) || (len(p.Hidden) > 0) != warned {
			t.Errorf("%s: warned %t, hidden %v", line, warned, p.Hidden)
		}
	}
}

// TestLeftOut words what exclude and filesystem rules leave out.
func TestLeftOut(t *testing.T) {
	for line, want := range map[string]string{
		"-a exclude,always -F msgtype=PATH":                           "records of type PATH",
		"-a exclude,always -F msgtype=PATH -F uid=33 -F exe!=/bin/rm": "records of type PATH of processes where uid=33 and exe!=/bin/rm",
		"-a exclude,always -F auid=4294967295":                        "records of type SYSCALL, PATH, CONFIG_CHANGE, CWD, EOE, PROCTITLE, URINGOP of processes where auid=-1",
		"-a filesystem,never -F fstype=0x6969":                        "PATH records of files where fstype=26985",
		"-a filesystem,never -F fstype!=tracefs":                      "PATH records of files where fstype!=tracefs",
		"-a filesystem,never -F fstype=debugfs":                       "",
		"-a exit,always -S unlink -F uid=0":                           "",
	} {
		f, err := ParseFile("x", strings.NewReader(line+"\n"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Rules[0].leavesOut(); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
