package query

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// A Clock understands what people call a time. Its words, and what it says of
// those it does not understand, are ausearch's.
type Clock struct {
	Now  time.Time // in the time zone that dates without one are in
	Boot func() (time.Time, error)
}

// SystemClock is the host's.
func SystemClock() Clock { return Clock{Now: time.Now(), Boot: bootTime} }

// bootTime is when the host began to run, to the second.
func bootTime() (time.Time, error) {
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return time.Time{}, Say("Can't read uptime (%v)", err)
	}
	first, _, _ := strings.Cut(string(text), " ")
	up, err := strconv.ParseFloat(first, 64)
	return time.Now().Add(-time.Duration(up+0.5) * time.Second), err
}

// IsTimeWord says whether a word names a time without saying a date.
func IsTimeWord(word string) bool {
	switch word {
	case "now", "recent", "boot", "today", "yesterday", "this-hour", "this-week", "week-ago", "this-month", "this-year":
		return true
	}
	return false
}

// Start is the time that the one or two words after -ts mean: a date, a time of
// day or both, in any order; midnight if there is no time of day.
func (c Clock) Start(words ...string) (time.Time, error) { return c.time("start", words) }

// End is the time that the words after -te mean. A date without a time of day
// means the present one, unless it is a word.
func (c Clock) End(words ...string) (time.Time, error) { return c.time("end", words) }

func (c Clock) time(which string, words []string) (time.Time, error) {
	if len(words) == 1 {
		if t, ok := c.rfc3339(words[0]); ok {
			return t, nil
		}
	}
	date, clock := "", ""
	for _, w := range words {
		if strings.Contains(w, ":") {
			clock = w
		} else {
			date = w
		}
	}
	if len(words) == 2 && (date == "" || clock == "") {
		date, clock = words[0], words[1]
	}
	t, err := c.date(which, date)
	if err != nil {
		return t, err
	}
	switch {
	case clock == "" && (date == "now" || date == "recent" || date == "boot" || date == "this-hour"):
		return t, nil
	case clock == "" && date == "today" && which == "end":
		return c.Now, nil
	case clock == "" && which == "end" && !IsTimeWord(date):
		return at(t, c.Now.Hour(), c.Now.Minute(), c.Now.Second()), nil
	case clock == "":
		return at(t, 0, 0, 0), nil
	}
	return c.ofDay(which, t, clock)
}

// rfc3339 reads 2006-01-02T15:04:05Z and less of it.
func (c Clock) rfc3339(s string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(form, s, c.Now.Location()); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func (c Clock) date(which, s string) (time.Time, error) {
	now := c.Now
	switch s {
	case "", "now", "today":
		return now, nil
	case "recent":
		return now.Add(-10 * time.Minute), nil
	case "boot":
		return c.Boot()
	case "yesterday":
		return now.Add(-24 * time.Hour), nil
	case "this-hour":
		return at(now, now.Hour(), 0, 0), nil
	case "this-week":
		return now.Add(-24 * time.Hour * time.Duration(now.Weekday())), nil
	case "week-ago":
		return now.Add(-7 * 24 * time.Hour), nil
	case "this-month":
		return now.AddDate(0, 0, 1-now.Day()), nil
	case "this-year":
		return now.AddDate(0, 0, 1-now.YearDay()), nil
	}
	if t, err := time.ParseInLocation("2006-01-02", s, now.Location()); err == nil {
		return t, nil
	}
	return c.slashes(which, s)
}

// slashes reads MM/DD/YYYY and MM/DD/YY.
func (c Clock) slashes(which, s string) (time.Time, error) {
	p := strings.Split(s, "/")
	if len(p) != 3 {
		return time.Time{}, Say("Invalid %s date (%s). Month, Day, and Year are required.", which, s)
	}
	month, err1 := strconv.Atoi(p[0])
	day, err2 := strconv.Atoi(p[1])
	year, err3 := strconv.Atoi(p[2])
	if err1 != nil || err2 != nil || month < 1 || month > 12 || day < 1 || day > 31 {
		return time.Time{}, Say("Invalid %s date (%s). Month, Day, and Year are required.", which, s)
	}
	switch {
	case err3 != nil || len(p[2]) != 2 && len(p[2]) != 4:
		return time.Time{}, Say("Error parsing %s date (%s)", which, s)
	case len(p[2]) == 2 && year < 69:
		year += 2000
	case len(p[2]) == 2:
		year += 1900
	}
	if year < 2004 {
		return time.Time{}, Say("Error - year is %d", year)
	}
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, c.Now.Location()), nil
}

// ofDay puts the time of day s (HH:MM or HH:MM:SS) on t's day.
func (c Clock) ofDay(which string, t time.Time, s string) (time.Time, error) {
	full := s
	if len(s) <= 5 {
		full += ":00"
	}
	p := strings.Split(full, ":")
	var n [3]int
	for i, limit := range []int{23, 59, 60} {
		if i >= len(p) {
			return t, Say("Invalid %s time (%s). Hour, Minute, and Second are required.", which, s)
		}
		v, err := strconv.Atoi(p[i])
		if err != nil || v < 0 || v > limit {
			return t, Say("Invalid %s time (%s). Hour, Minute, and Second are required.", which, s)
		}
		n[i] = v
	}
	if len(p) > 3 {
		return t, Say("Error parsing %s time (%s)", which, s)
	}
	return at(t, n[0], n[1], n[2]), nil
}

// at is t's day at another time.
func at(t time.Time, hour, minute, second int) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), hour, minute, second, 0, t.Location())
}
