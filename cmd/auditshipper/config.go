package main

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
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
with its place. It needs no privilege and touches nothing else.

exit status:
  0  the configuration is valid
  2  it is not`,
		Example: "  auditshipper config check -c /etc/auditshipper/auditshipper.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := loadConfig(cmd); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "the configuration is valid")
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
