package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/auditshipper/auditshipper/internal/config"
)

func awsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "aws",
		Short:   "print IAM policies, set up CloudWatch Logs",
		Example: "  auditshipper aws policy writer --account 111122223333 --region eu-west-1",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(awsPolicyCommand())
	return cmd
}

func awsPolicyCommand() *cobra.Command {
	var account, region, group string
	var createGroup bool
	cmd := &cobra.Command{
		Use:   "policy writer|reader|boundary|kms",
		Short: "print a least-privilege policy",
		Long: `Policy prints a policy document for the log group of the configuration. It asks
nobody and needs no rights.

  writer    for the role of the hosts: what the daemon calls as configured, and
            nothing more. With create_group off that is two actions
  reader    for people: search, report, tail and Logs Insights
  boundary  a permissions boundary for the writer's role: the most it may ever do
  kms       a key policy, for a group encrypted with a key of your own

exit status:
  0  printed
  2  a name is wrong or missing`,
		Example:   "  auditshipper aws policy writer --account 111122223333 --region eu-west-1 > writer.json",
		ValidArgs: []string{"writer", "reader", "boundary", "kms"},
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			names := namesOf(withFlags(cmd, c.CloudWatch, region, group, createGroup))
			if account != "" {
				names.Account = account
			}
			return printPolicy(cmd, args[0], names)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&account, "account", "", "`ACCOUNT` of the log group (default any)")
	flags.StringVar(&region, "region", "", "`REGION` of the log group (default the configuration's, or any)")
	flags.StringVar(&group, "group", "", "log `GROUP` (default the configuration's)")
	flags.BoolVar(&createGroup, "create-group", true, "the daemon makes its group (default the configuration's)")
	return cmd
}

// withFlags returns c with the flags that were given over it.
func withFlags(cmd *cobra.Command, c config.CloudWatch, region, group string, createGroup bool) config.CloudWatch {
	if region != "" {
		c.Region = region
	}
	if group != "" {
		c.Group = group
	}
	if cmd.Flags().Changed("create-group") {
		c.CreateGroup = createGroup
	}
	return c
}

func printPolicy(cmd *cobra.Command, kind string, names awsNames) error {
	if err := names.check(); err != nil {
		return usageError(cmd, err)
	}
	p, err := policies[kind](names)
	if err != nil {
		return usageError(cmd, err)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), p)
	return err
}
