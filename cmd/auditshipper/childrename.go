package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// childRename renames a file in a child process: this program, called with the verb of
// childRenameCommand.
func childRename(ctx context.Context, from, to string) error {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", childRenameVerb, from, to)
	cmd.Env, cmd.Dir, cmd.WaitDelay = []string{}, "/", time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if os.Geteuid() == 0 { // whoever may change the directory gets nothing renamed that is root's
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Dir(from), &st); err != nil {
			return fmt.Errorf("rename in a child: %w", err)
		}
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: st.Uid, Gid: st.Gid}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("rename in a child: %w: %.200q", err, out)
	}
	return nil
}

const childRenameVerb = "child-rename"

func childRenameCommand() *cobra.Command {
	return &cobra.Command{
		Use:     childRenameVerb + " FROM TO",
		Short:   "rename a file, for the daemon's start",
		Example: "  auditshipper " + childRenameVerb + " /tmp/a/file /tmp/b/file",
		Args:    cobra.ExactArgs(2),
		Hidden:  true,
		RunE:    func(_ *cobra.Command, args []string) error { return os.Rename(args[0], args[1]) },
	}
}
