output "log_group_name" {
  value = aws_cloudwatch_log_group.events.name
}

output "writer_policy_arn" {
  description = "Attach this to the role of instances that have one already."
  value       = aws_iam_policy.writer.arn
}

output "writer_instance_profile" {
  description = "For instances that have none."
  value       = aws_iam_instance_profile.writer.name
}

output "reader_policy_arn" {
  value = aws_iam_policy.reader.arn
}
