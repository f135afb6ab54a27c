package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/auditshipper/auditshipper/internal/safefile"
)

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "write the manual pages into DIR",
		Long: `Man writes the manual pages into DIR: one of section 1 for each verb, those of
the configuration and the event in section 5, and the daemon's in section 8.`,
		Example: "  auditshipper man /usr/local/share/man/man1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			if err := writeVerbs(root, args[0]); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			return writeGuides(args[0])
		},
	}
}

// writeVerbs writes the manual page of a command and those of its subcommands. Cobra's own
// GenManTree would follow links that somebody put into dir.
func writeVerbs(cmd *cobra.Command, dir string) error {
	for _, sub := range cmd.Commands() {
		if !sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := writeVerbs(sub, dir); err != nil {
			return err
		}
	}
	header := doc.GenManHeader{Section: "1", Source: "auditshipper " + version(), Manual: "auditshipper"}
	file := filepath.Join(dir, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1")
	return safefile.WriteFile(file, 0o644, func(w io.Writer) error { return doc.GenMan(cmd, &header, w) })
}
