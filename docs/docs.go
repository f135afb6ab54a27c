// Package docs holds the documents that the program prints as manual pages.
package docs

import "embed"

// Files are the sources of the pages in sections 5 and 8.
//
//go:embed configuration.md daemon.md event.schema.json
var Files embed.FS
