package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
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
	cmd.AddCommand(awsPolicyCommand(), awsSetupCommand())
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

func awsSetupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "make or repair the log group and what belongs to it",
		Long: `Setup makes the log group of the configuration with its retention, key, tags,
field index, metric filters and saved queries, or mends what differs. What is as
wanted it leaves alone, and so what others added. A second time it does nothing.

It uses your own credentials, which need more rights than the daemon's, and not
role_arn. Alarms are made by the stacks in deploy/.

exit status:
  0  everything is as wanted
  1  a call failed; what was done stays, run it again
  3  with --dry-run: there is something to do`,
		Example: "  auditshipper aws setup --dry-run",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			api, err := logsClient(cmd.Context(), c.CloudWatch)
			if err != nil {
				return err
			}
			steps, err := planSetup(cmd.Context(), api, c.CloudWatch)
			if err != nil {
				return err
			}
			dry, _ := cmd.Flags().GetBool("dry-run")
			return runSteps(cmd.Context(), cmd.OutOrStdout(), c.CloudWatch.Group, steps, dry)
		},
	}
	cmd.Flags().Bool("dry-run", false, "print what would be done")
	return cmd
}

// runSteps does the steps in order, or only tells them.
func runSteps(ctx context.Context, w io.Writer, group string, steps []setupStep, dry bool) error {
	if len(steps) == 0 {
		_, err := fmt.Fprintf(w, "log group %s is as wanted\n", group)
		return err
	}
	for _, s := range steps {
		if _, err := fmt.Fprintln(w, s.what); err != nil {
			return err
		}
		if dry {
			continue
		}
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	if dry {
		return withStatus(exitDiffers, quiet{})
	}
	return nil
}

// logsClient is a client with the credentials of whoever runs the command. The
// quotas of set-up calls are small, so it slows down by itself when throttled.
func logsClient(ctx context.Context, c config.CloudWatch) (*cloudwatchlogs.Client, error) {
	opts := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithRetryMode(aws.RetryModeAdaptive), awsconfig.WithRetryMaxAttempts(10),
	}
	if c.Region != "" {
		opts = append(opts, awsconfig.WithRegion(c.Region))
	}
	if c.UseFIPS {
		opts = append(opts, awsconfig.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	if c.UseDualstack {
		opts = append(opts, awsconfig.WithUseDualStackEndpoint(aws.DualStackEndpointStateEnabled))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("load AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return nil, hinted{errors.New("no region is known"), "set cloudwatch.region, AWS_REGION, or a profile's region"}
	}
	return cloudwatchlogs.NewFromConfig(cfg, func(o *cloudwatchlogs.Options) {
		if c.EndpointURL != "" {
			o.BaseEndpoint = &c.EndpointURL
		}
	}), nil
}
