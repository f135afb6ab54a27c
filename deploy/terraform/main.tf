# auditshipper: a log group for audit events, the role that may write it and
# nothing more, alarms on deletes and gaps, saved queries and, for private
# subnets, a VPC endpoint. The same as deploy/cloudformation.

terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  region = data.aws_region.this.name
  arn    = "arn:${data.aws_partition.this.partition}:logs:${local.region}:${data.aws_caller_identity.this.account_id}:log-group:${var.log_group_name}"

  write = [
    {
      Sid      = "WriteEvents"
      Effect   = "Allow"
      Action   = ["logs:PutLogEvents"]
      Resource = ["${local.arn}:log-stream:*"]
    },
    {
      Sid      = "CreateStream"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream"]
      Resource = [local.arn, "${local.arn}:log-stream:*"]
    },
  ]
}

resource "aws_cloudwatch_log_group" "events" {
  name              = var.log_group_name
  retention_in_days = var.retention_in_days
  kms_key_id        = var.encrypt ? aws_kms_key.events[0].arn : null
  tags              = var.tags

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_key" "events" {
  count               = var.encrypt ? 1 : 0
  description         = "audit events of auditshipper"
  enable_key_rotation = true
  tags                = var.tags

  policy = jsonencode({ # auditshipper aws policy kms
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Administer"
        Effect    = "Allow"
        Principal = { AWS = "arn:${data.aws_partition.this.partition}:iam::${data.aws_caller_identity.this.account_id}:root" }
        Action    = ["kms:*"]
        Resource  = ["*"]
      },
      {
        Sid       = "EncryptGroup"
        Effect    = "Allow"
        Principal = { Service = "logs.${local.region}.${data.aws_partition.this.dns_suffix}" }
        Action    = ["kms:Decrypt", "kms:Describe*", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        Resource  = ["*"]
        Condition = {
          ArnEquals = { "kms:EncryptionContext:aws:logs:arn" = local.arn }
        }
      },
    ]
  })
}

# ---- who may write, who may read

resource "aws_iam_policy" "boundary" {
  name_prefix = "auditshipper-boundary-"
  description = "The most that the writer of audit events may ever do."
  tags        = var.tags

  policy = jsonencode({ # auditshipper aws policy boundary
    Version = "2012-10-17"
    Statement = concat(local.write, [
      {
        Sid      = "CreateGroup"
        Effect   = "Allow"
        Action   = ["logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:TagResource"]
        Resource = [local.arn, "${local.arn}:*"]
      },
      {
        Sid      = "NeverDestroy"
        Effect   = "Deny"
        Action   = ["logs:DeleteLogGroup", "logs:DeleteLogStream", "logs:DeleteRetentionPolicy", "logs:DeleteMetricFilter", "logs:DeleteSubscriptionFilter", "logs:DisassociateKmsKey"]
        Resource = ["*"]
      },
    ])
  })
}

# The group exists, so the writer need not make it: set create_group: false.
resource "aws_iam_policy" "writer" {
  name_prefix = "auditshipper-writer-"
  description = "What auditshipper needs on a host."
  tags        = var.tags

  policy = jsonencode({ # auditshipper aws policy writer --create-group=false
    Version   = "2012-10-17"
    Statement = local.write
  })
}

# For instances that have no role of their own; others attach the writer policy.
resource "aws_iam_role" "writer" {
  name_prefix          = "auditshipper-writer-"
  permissions_boundary = aws_iam_policy.boundary.arn
  tags                 = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.${data.aws_partition.this.dns_suffix}" }
      Action    = ["sts:AssumeRole"]
    }]
  })
}

resource "aws_iam_role_policy_attachment" "writer" {
  role       = aws_iam_role.writer.name
  policy_arn = aws_iam_policy.writer.arn
}

resource "aws_iam_instance_profile" "writer" {
  name_prefix = "auditshipper-writer-"
  role        = aws_iam_role.writer.name
  tags        = var.tags
}

resource "aws_iam_policy" "reader" {
  name_prefix = "auditshipper-reader-"
  description = "Search, report and tail, and Logs Insights, on audit events."
  tags        = var.tags

  policy = jsonencode({ # auditshipper aws policy reader
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadEvents"
        Effect   = "Allow"
        Action   = ["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents", "logs:StartLiveTail", "logs:StartQuery"]
        Resource = [local.arn, "${local.arn}:*"]
      },
      {
        Sid      = "ReadQueries"
        Effect   = "Allow"
        Action   = ["logs:DescribeLogGroups", "logs:DescribeQueryDefinitions", "logs:GetQueryResults", "logs:StopQuery"]
        Resource = ["*"]
      },
    ]
  })
}

# ---- metrics, alarms, queries

locals {
  metric_filters = {
    Deletes      = { name = "auditshipper-deletes", pattern = "{ ($.action = \"delete\") && ($.success IS TRUE) }" }
    Denied       = { name = "auditshipper-denied", pattern = "{ ($.errno = \"EACCES\") || ($.errno = \"EPERM\") }" }
    Gaps         = { name = "auditshipper-gaps", pattern = "{ $.action = \"gap\" }" }
    RulesChanged = { name = "auditshipper-rules-changed", pattern = "{ $.action = \"rules\" }" }
  }

  queries = {
    "auditshipper/who deleted what" = <<-EOT
      fields @timestamp, host, coalesce(auid_name, uid_name) as who, comm, path
      | filter action = "delete" and not ispresent(errno)
      | sort @timestamp desc
      | limit 1000
    EOT
    "auditshipper/who renamed what" = <<-EOT
      fields @timestamp, host, coalesce(auid_name, uid_name) as who, comm, path, dest
      | filter action = "rename" and not ispresent(errno)
      | sort @timestamp desc
      | limit 1000
    EOT
    "auditshipper/top deleters"     = <<-EOT
      filter action = "delete" and not ispresent(errno)
      | stats count(*) as deletions, min(@timestamp) as since, max(@timestamp) as until by coalesce(auid_name, uid_name) as who, host, exe
      | sort deletions desc
      | limit 100
    EOT
    "auditshipper/refused"          = <<-EOT
      fields @timestamp, host, coalesce(auid_name, uid_name) as who, comm, action, errno, coalesce(path, parent) as place
      | filter ispresent(errno)
      | sort @timestamp desc
      | limit 1000
    EOT
    "auditshipper/gaps"             = <<-EOT
      fields @timestamp, host, cause, @message
      | filter action = "gap"
      | sort @timestamp desc
      | limit 1000
    EOT
  }
}

resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each       = local.metric_filters
  name           = each.value.name
  log_group_name = aws_cloudwatch_log_group.events.name
  pattern        = each.value.pattern

  metric_transformation {
    namespace     = "auditshipper"
    name          = each.key
    value         = "1"
    default_value = "0"
  }
}

resource "aws_cloudwatch_metric_alarm" "deletes" {
  alarm_name          = "auditshipper deletes ${var.log_group_name}"
  alarm_description   = "More files were deleted within five minutes than is usual. Ask the saved query \"auditshipper/top deleters\"."
  namespace           = "auditshipper"
  metric_name         = "Deletes"
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = var.deletes_threshold
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "gaps" {
  alarm_name          = "auditshipper gaps ${var.log_group_name}"
  alarm_description   = "Audit events are missing. Ask the saved query \"auditshipper/gaps\" where and why."
  namespace           = "auditshipper"
  metric_name         = "Gaps"
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
  tags                = var.tags
}

resource "aws_cloudwatch_query_definition" "this" {
  for_each        = local.queries
  name            = each.key
  log_group_names = [aws_cloudwatch_log_group.events.name]
  query_string    = trimspace(each.value)
}

# ---- private subnets: an endpoint instead of NAT

resource "aws_security_group" "endpoint" {
  count       = var.vpc_id == null ? 0 : 1
  name_prefix = "auditshipper-logs-endpoint-"
  description = "HTTPS to the CloudWatch Logs endpoint"
  vpc_id      = var.vpc_id
  tags        = var.tags

  ingress {
    description = "hosts"
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidr_blocks = var.client_cidrs
  }
}

resource "aws_vpc_endpoint" "logs" {
  count               = var.vpc_id == null ? 0 : 1
  vpc_id              = var.vpc_id
  vpc_endpoint_type   = "Interface"
  service_name        = "com.amazonaws.${local.region}.logs"
  subnet_ids          = var.subnet_ids
  security_group_ids  = [aws_security_group.endpoint[0].id]
  private_dns_enabled = true
  ip_address_type     = var.ip_address_type
  tags                = var.tags
}
