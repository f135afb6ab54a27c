package paths

import "bytes"

// This file has what can be said of a name by its text alone. Nothing here looks at the
// tree or the host.

// lastPart is a name without the directories before it. Slashes at its end,
// which ask for a directory, are dropped, as the kernel does.
func lastPart[T string | []byte](name T) T {
	_, last := splitName(name)
	return last
}

// splitName cuts a name where the kernel does to find its PARENT: the
// directory part keeps its slashes and is empty if there is none.
func splitName[T string | []byte](name T) (dir, last T) {
	end := len(name)
	for end > 0 && name[end-1] == '/' {
		end--
	}
	start := end
	for start > 0 && name[start-1] != '/' {
		start--
	}
	return name[:start], name[start:end]
}

func isAbs(name []byte) bool { return len(name) > 0 && name[0] == '/' }

// appendJoined appends base/name, both cleaned of //, /./ and slashes at the
// end. Of .. only those are resolved with which name begins, and only if
// canonical says that base is what the kernel itself printed: elsewhere a
// symlink may stand before them. plain is false if any .. is left.
func appendJoined(dst, base, name []byte, canonical bool) (joined []byte, plain bool) {
	start := len(dst)
	dst, plain = appendParts(dst, base, start, false)
	dst, more := appendParts(dst, name, start, canonical && plain)
	if len(dst) == start {
		dst = append(dst, '/')
	}
	return dst, plain && more
}

// For example, /srv/a and ../b/./c/ give /srv/b/c if /srv/a is the working directory as the
// kernel prints it, and /srv/a/../b/c, which is not plain, if it is what a caller said.

// appendParts appends the parts of name, a slash before each. With up, leading
// .. take away parts from dst, down to start.
func appendParts(dst, name []byte, start int, up bool) (out []byte, plain bool) {
	plain = true
	for len(name) > 0 {
		part, rest, _ := bytes.Cut(name, []byte("/"))
		name = rest
		switch {
		case len(part) == 0 || string(part) == ".":
			continue
		case string(part) == "..":
			if up {
				dst = dst[:max(start, start+bytes.LastIndexByte(dst[start:], '/'))]
				continue
			}
			plain = false
		}
		up = false
		dst = append(dst, '/')
		dst = append(dst, part...)
	}
	return dst, plain
}

// appendLexical appends an absolute path with every .. resolved by the text
// alone, which is true only where no symlink stands before one.
func appendLexical(dst, path []byte) []byte {
	start := len(dst)
	for len(path) > 0 {
		var part []byte
		part, path, _ = bytes.Cut(path, []byte("/"))
		switch string(part) {
		case "", ".":
		case "..":
			dst = dst[:max(start, start+bytes.LastIndexByte(dst[start:], '/'))]
		default:
			dst = append(dst, '/')
			dst = append(dst, part...)
		}
	}
	if len(dst) == start {
		dst = append(dst, '/')
	}
	return dst
}
