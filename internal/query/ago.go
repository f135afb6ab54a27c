package query

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Since is the time that --since names: so long ago (2h, 3 days, 1h30m), the
// beginning of a weekday or a date, RFC 3339, or what Start makes of it.
func (c Clock) Since(s string) (time.Time, error) {
	if t, ok := c.ago(s); ok {
		return t, nil
	}
	if t, ok := c.weekday(s); ok {
		return t, nil
	}
	return c.Start(strings.Fields(s)...)
}

// Until is the time that --until names, as Since has it. A day is meant to its end.
func (c Clock) Until(s string) (time.Time, error) {
	if t, ok := c.ago(s); ok {
		return t, nil
	}
	t, ok := c.weekday(s)
	if !ok {
		var err error
		if t, err = c.Start(strings.Fields(s)...); err != nil {
			return t, err
		}
	}
	if t.Equal(at(t, 0, 0, 0)) && !strings.Contains(s, ":") {
		return at(t, 23, 59, 59), nil
	}
	return t, nil
}

// agoForm matches what people call a span: 2h, 3 days, 1 week ago.
var agoForm = regexp.MustCompile(`^([0-9]{1,6}) ?([a-z]+?)s?( ago)?$`)

// ago is the time so long before now. Days and weeks are those of the calendar.
func (c Clock) ago(s string) (time.Time, bool) {
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return c.Now.Add(-d), true
	}
	m := agoForm.FindStringSubmatch(strings.ToLower(s))
	if m == nil {
		return time.Time{}, false
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return time.Time{}, false
	}
	switch m[2] {
	case "s", "sec", "second":
		return c.Now.Add(-time.Duration(n) * time.Second), true
	case "m", "min", "minute":
		return c.Now.Add(-time.Duration(n) * time.Minute), true
	case "h", "hr", "hour":
		return c.Now.Add(-time.Duration(n) * time.Hour), true
	case "d", "day":
		return c.Now.AddDate(0, 0, -n), true
	case "w", "week":
		return c.Now.AddDate(0, 0, -7*n), true
	case "month":
		return c.Now.AddDate(0, -n, 0), true
	}
	return time.Time{}, false
}

// weekday is the beginning of the latest day of that name, today included.
func (c Clock) weekday(s string) (time.Time, bool) {
	for back := range 7 {
		day := c.Now.AddDate(0, 0, -back)
		if name := strings.ToLower(day.Weekday().String()); strings.ToLower(s) == name || strings.ToLower(s) == name[:3] {
			return at(day, 0, 0, 0), true
		}
	}
	return time.Time{}, false
}
