package main

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/auditshipper/auditshipper/internal/daemon"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "config",
		Short:   "check or show the configuration",
		Example: "  auditshipper config check -c /etc/auditshipper/auditshipper.yaml",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(configCheckCommand(), configShowCommand())
	return cmd
}

func configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "report every fault of the configuration",
		Long: `Check reads the configuration file and the environment and reports every fault
with its place, and warns of what this machine lacks for it: a watched path that
does not exist, nothing that is watched. It needs no privilege and changes nothing.

exit status:
  0  the configuration is valid
  2  it is not`,
		Example: "  auditshipper config check -c /etc/auditshipper/auditshipper.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			for _, w := range daemon.Advise(c) {
				reportAs(cmd.ErrOrStderr(), "auditshipper: warning", w)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "the configuration is valid")
			return err
		},
	}
}

func configShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "print the configuration in force",
		Long: `Show prints the whole configuration as YAML: the defaults, the file over them,
and the environment over both.`,
		Example: "  auditshipper config show",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			text, err := yaml.MarshalWithOptions(c, yaml.IndentSequence(true))
			if err != nil {
				return fmt.Errorf("print configuration: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.TrimRight(string(text), "\n"))
			return err
		},
	}
}
