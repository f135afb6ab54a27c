package event

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"
)

// Address families, from linux/socket.h.
const (
	afUnix    = 1
	afInet    = 2
	afInet6   = 10
	afNetlink = 16
	afPacket  = 17
)

// collectSockaddr decodes a struct sockaddr, which a SOCKADDR record holds as hex.
func (e collector) collectSockaddr(hex []byte) {
	start := len(e.decoded)
	decoded, ok := appendUnhex(e.decoded, hex)
	raw := decoded[start:]
	if !ok || len(raw) < 2 {
		e.addField(Field{Key: []byte("saddr"), Val: hex})
		return
	}
	e.decoded = decoded

	text := func(key, val string) { e.addField(Field{Key: []byte(key), Val: []byte(val)}) }
	port := func() {
		n := strconv.Itoa(int(binary.BigEndian.Uint16(raw[2:])))
		e.addField(Field{Key: []byte("port"), Val: []byte(n), Bare: true})
	}
	switch family := binary.NativeEndian.Uint16(raw); {
	case family == afUnix:
		text("family", "unix")
		path := raw[2:]
		if len(path) > 0 && path[0] == 0 { // an abstract name
			text("socket", "@"+string(bytes.TrimRight(path[1:], "\x00")))
			return
		}
		path, _, _ = bytes.Cut(path, []byte{0})
		text("socket", string(path))
	case family == afInet && len(raw) >= 8:
		text("family", "inet")
		text("addr", netip.AddrFrom4([4]byte(raw[4:8])).String())
		port()
	case family == afInet6 && len(raw) >= 24:
		text("family", "inet6")
		text("addr", netip.AddrFrom16([16]byte(raw[8:24])).String())
		port()
	case family == afNetlink:
		text("family", "netlink")
	case family == afPacket:
		text("family", "packet")
	default:
		text("family", strconv.Itoa(int(family)))
		e.addField(Field{Key: []byte("saddr"), Val: hex})
	}
}
