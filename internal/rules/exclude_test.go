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
		"-a exclude,always -F msgtype=PATH -F uid=33":        nil,
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
