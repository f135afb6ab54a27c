package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/auditshipper/auditshipper/internal/rules"
)

func rulesListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "print the kernel's rules",
		Long: `List prints the rules that the kernel holds, in its order, exactly as auditctl -l
does. With --owner each line begins with the source that it is ours by, or with
"-" for those of others.`,
		Example: "  sudo auditshipper rules list --owner",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			owner, _ := cmd.Flags().GetBool("owner")
			asJSON, _ := cmd.Flags().GetBool("json")
			return listRules(cmd, c.StateDir, owner, asJSON)
		},
	}
	cmd.Flags().Bool("owner", false, "mark the rules that are ours")
	cmd.Flags().Bool("json", false, "print JSON, one rule a line")
	return cmd
}

// A listedRule is a rule of the kernel as rules list --json prints it.
type listedRule struct {
	Rule  string `json:"rule"`
	List  string `json:"list"`
	Key   string `json:"key,omitempty"`
	Owner string `json:"owner,omitempty"` // the source it is ours by
}

func listRules(cmd *cobra.Command, stateDir string, owner, asJSON bool) error {
	k, err := openControl()
	if err != nil {
		return err
	}
	loaded, err := rules.Loaded(k)
	if err := errors.Join(err, k.Close()); err != nil {
		return err
	}
	var st rules.State
	if owner || asJSON {
		if st, err = rules.ReadState(stateDir); err != nil {
			return err
		}
	}
	w := cmd.OutOrStdout()
	if len(loaded) == 0 && !asJSON {
		_, err := fmt.Fprintln(w, "No rules")
		return err
	}
	for i := range loaded {
		r := &loaded[i]
		if err := printListed(w, r, st.Owner(r), owner, asJSON); err != nil {
			return err
		}
	}
	return nil
}

func printListed(w interface{ Write([]byte) (int, error) }, r *rules.Rule, source string, owner, asJSON bool) error {
	var err error
	switch {
	case asJSON:
		err = json.NewEncoder(w).Encode(listedRule{r.String(), r.List.String(), r.Key(), source})
	case owner && source == "":
		_, err = fmt.Fprintf(w, "%-24s %s\n", "-", r.String())
	case owner:
		_, err = fmt.Fprintf(w, "%-24s %s\n", source, r.String())
	default:
		_, err = fmt.Fprintln(w, r.String())
	}
	return err
}
