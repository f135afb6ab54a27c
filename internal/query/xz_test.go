package query

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"
)

// xzOf compresses text in blocks of 1,000 bytes.
func xzOf(t testing.TB, text []byte, sum byte) []byte {
	var b bytes.Buffer
	w, err := xz.WriterConfig{DictCap: 1 << 16, BlockSize: 1000, CheckSum: sum}.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// wantDict makes a block whose header begins at i want another dictionary.
func wantDict(file []byte, i int, dict byte) []byte {
	file = bytes.Clone(file)
	n := 4 * (int(file[i]) + 1)
	file[i+4] = dict
	binary.LittleEndian.PutUint32(file[i+n-4:], crc32.ChecksumIEEE(file[i:i+n-4]))
	return file
}

// TestXZ reads files of several blocks and streams, with each kind of checksum and
// data that cannot be compressed, and refuses dictionaries that are too large in
// whatever block, and damage.
func TestXZ(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 5_000)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	text := append(bytes.Repeat([]byte("type=USER_CMD msg=audit(1.000:1): pid=1\n"), 20), noise...)
	read := func(file []byte) (string, error) {
		got, err := io.ReadAll(plain(bytes.NewReader(file)))
		return string(got), err
	}
	var all []byte
	for _, sum := range []byte{xz.CRC32, xz.CRC64, xz.SHA256} {
		all = append(all, xzOf(t, text, sum)...)
		all = append(all, make([]byte, 8)...) // padding
	}
	if got, err := read(all); err != nil || got != strings.Repeat(string(text), 3) {
		t.Errorf("read %d bytes of %d: %v", len(got), 3*len(text), err)
	}
	small := xzOf(t, text[:2500], xz.CRC64)
	filter := []byte{2, 0, 0x21, 1}
	second := bytes.LastIndex(small, filter)
	if second == bytes.Index(small, filter) {
		t.Fatal("one block only")
	}
	for _, file := range [][]byte{wantDict(small, second, 40), append(bytes.Clone(small), wantDict(small, 12, 40)...)} {
		if _, err := read(file); err == nil || !strings.Contains(err.Error(), "a dictionary of more than 64 MiB") {
			t.Errorf("a large dictionary in a later block: %v", err)
		}
	}
	few := wantDict(xzOf(t, text[:10], xz.CRC64), 12, 28) // of 64 MiB each
	if _, err := read(bytes.Repeat(few, 100)); err == nil || !strings.Contains(err.Error(), "too much for so little data") {
		t.Errorf("many large dictionaries: %v", err)
	}
	for n := 0; n < len(small); n += 7 {
		if n > 40 {
			if _, err := read(small[:n]); err == nil {
				t.Fatalf("cut to %d bytes it is read", n)
			}
		}
		damaged := bytes.Clone(small)
		damaged[n] ^= 1 << rnd.IntN(8)
		_, _ = read(damaged) // what is not checked may be read; no panic, no memory
	}
}

// TestXZOfXZ reads what xz itself wrote: several threads, blocks that tell their sizes.
func TestXZOfXZ(t *testing.T) {
	file, err := os.ReadFile("testdata/blocks.xz")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(plain(bytes.NewReader(file)))
	if want := strings.Repeat("type=USER_CMD msg=audit(1.000:1): pid=1\n", 500); err != nil || string(got) != want {
		t.Errorf("read %d bytes of %d: %v", len(got), len(want), err)
	}
}

// FuzzXZ lets the guard pass on anything: all of it that it does not refuse.
func FuzzXZ(f *testing.F) {
	f.Add(xzOf(f, bytes.Repeat([]byte("type=USER_CMD\n"), 300), xz.CRC32))
	f.Fuzz(func(t *testing.T, file []byte) {
		g := &xzGuard{in: bufio.NewReaderSize(bytes.NewReader(file), 4096), section: (*xzGuard).stream}
		got, err := io.ReadAll(g)
		if !bytes.HasPrefix(file, got) || err == nil && len(got) < len(file) {
			t.Errorf("passed %d bytes of %d: %v", len(got), len(file), err)
		}
		if int64(len(got)) != g.pos {
			t.Errorf("is at %d after %d bytes", g.pos, len(got))
		}
	})
}
