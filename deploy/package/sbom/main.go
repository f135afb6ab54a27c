// Command sbom prints the software bill of materials of a Go binary as SPDX
// 2.3 JSON, from what the linker wrote into it. The same binary gives the same
// bytes.
//
//	sbom BINARY VERSION UNIX-SECONDS
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

type document struct {
	SPDXVersion       string         `json:"spdxVersion"`
	DataLicense       string         `json:"dataLicense"`
	SPDXID            string         `json:"SPDXID"`
	Name              string         `json:"name"`
	DocumentNamespace string         `json:"documentNamespace"`
	CreationInfo      creation       `json:"creationInfo"`
	Packages          []spdxPackage  `json:"packages"`
	Relationships     []relationship `json:"relationships"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	SPDXID           string        `json:"SPDXID"`
	Name             string        `json:"name"`
	VersionInfo      string        `json:"versionInfo"`
	DownloadLocation string        `json:"downloadLocation"`
	FilesAnalyzed    bool          `json:"filesAnalyzed"`
	Checksums        []checksum    `json:"checksums,omitempty"`
	ExternalRefs     []externalRef `json:"externalRefs,omitempty"`
	Comment          string        `json:"comment,omitempty"` // its hash in go.sum
}

type checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type externalRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	Element string `json:"spdxElementId"`
	Type    string `json:"relationshipType"`
	Related string `json:"relatedSpdxElement"`
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(args []string, w io.Writer) error {
	if len(args) != 3 {
		return fmt.Errorf("want BINARY VERSION UNIX-SECONDS, got %d arguments", len(args))
	}
	seconds, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	info, err := buildinfo.ReadFile(args[0])
	if err != nil {
		return err
	}
	sum, err := sha256File(args[0])
	if err != nil {
		return err
	}
	doc := describe(info, filepath.Base(args[0]), args[1], sum, time.Unix(seconds, 0).UTC())
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

func sha256File(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// describe makes one package of the binary, one of each module in it, and one
// of the Go standard library.
func describe(info *debug.BuildInfo, name, version, sum string, at time.Time) document {
	const root = "SPDXRef-binary"
	doc := document{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT",
		Name:              name + "-" + version,
		DocumentNamespace: "https://" + info.Main.Path + "/sbom/" + sum,
		CreationInfo:      creation{at.Format(time.RFC3339), []string{"Tool: " + info.Main.Path + "/deploy/package/sbom"}},
		Packages: []spdxPackage{{
			SPDXID: root, Name: info.Main.Path, VersionInfo: version, DownloadLocation: "NOASSERTION",
			Checksums:    []checksum{{"SHA256", sum}},
			ExternalRefs: purl(info.Main.Path, version),
		}},
		Relationships: []relationship{{"SPDXRef-DOCUMENT", "DESCRIBES", root}},
	}
	modules := []*debug.Module{{Path: "stdlib", Version: strings.TrimPrefix(info.GoVersion, "go")}}
	for i, m := range append(modules, info.Deps...) {
		if m.Replace != nil {
			m = m.Replace
		}
		p := spdxPackage{
			SPDXID: "SPDXRef-module-" + strconv.Itoa(i), Name: m.Path, VersionInfo: m.Version,
			DownloadLocation: "NOASSERTION", ExternalRefs: purl(m.Path, m.Version), Comment: m.Sum,
		}
		doc.Packages = append(doc.Packages, p)
		doc.Relationships = append(doc.Relationships, relationship{root, "CONTAINS", p.SPDXID})
	}
	return doc
}

func purl(path, version string) []externalRef {
	return []externalRef{{"PACKAGE-MANAGER", "purl", "pkg:golang/" + path + "@" + version}}
}
