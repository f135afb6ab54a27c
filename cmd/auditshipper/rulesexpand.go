package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/auditshipper/auditshipper/internal/rules"
)

func rulesExpandCommand() *cobra.Command {
	w := rules.Watch{}
	arch := ""
	cmd := &cobra.Command{
		Use:   "expand PATH",
		Short: "print the rules that a watch stands for",
		Long: `Expand prints the lines that a watch of the configuration stands for: every
system call that the architecture has, for programs of 64 and of 32 bits, and
io_uring. auditctl reads them too, those for io_uring since version 3.1.

The kernel is not asked and not changed. Without --arch the lines are for this
machine.`,
		Example: "  auditshipper rules expand /mnt/efs --ops delete,rename --key efs_changes",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			w.Path = args[0]
			if err := expandWatch(cmd, w, arch); err != nil {
				return withStatus(exitUsage, err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&arch, "arch", "", "architecture as uname -m prints it: "+strings.Join(rules.Arches(), ", "))
	flags.StringSliceVar(&w.Ops, "ops", []string{"delete", "rename"}, "operations: "+strings.Join(rules.Ops(), ", "))
	flags.StringVarP(&w.Key, "key", "k", "", "key of the events")
	flags.StringVar(&w.Failures, "failures", "denied", "failed calls to report: denied, all or none")
	return cmd
}

func unknownArch(arch string) error {
	return hinted{fmt.Errorf("unknown architecture %q", arch), "one of " + strings.Join(rules.Arches(), ", ")}
}

// expandWatch prints a watch's rules; what the architecture lacks goes to stderr.
func expandWatch(cmd *cobra.Command, w rules.Watch, arch string) error {
	m := rules.HostMachine()
	m.IsDir = func(path string) bool {
		st, err := os.Stat(path)
		return err != nil || st.IsDir() // what is missing is meant to be a directory
	}
	if arch != "" && arch != m.Arch {
		m = rules.Machine{Arch: arch, IOUring: true}
	}
	if arch != "" && !slices.Contains(rules.Arches(), arch) {
		return unknownArch(arch)
	}
	list, warnings, err := rules.Expand(w, m)
	if err != nil {
		return err
	}
	for _, warning := range warnings {
		tellf(cmd.ErrOrStderr(), "%s", warning)
	}
	for i := range list {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), list[i].AddLineOn(m.Arch)); err != nil {
			return err
		}
	}
	return nil
}
