variable "log_group_name" {
  type    = string
  default = "/auditshipper"
}

variable "retention_in_days" {
  type    = number
  default = 365
}

variable "encrypt" {
  description = "Encrypt the log group with a key of its own (KMS bills it)."
  type        = bool
  default     = false
}

variable "alarm_topic_arns" {
  description = "SNS topics told of alarms."
  type        = list(string)
  default     = []
}

variable "deletes_threshold" {
  description = "Deletions within five minutes that raise the alarm."
  type        = number
  default     = 100
}

variable "vpc_id" {
  description = "VPC whose private subnets get an endpoint for CloudWatch Logs; null where there is a NAT or internet gateway."
  type        = string
  default     = null
}

variable "subnet_ids" {
  description = "Subnets of the endpoint, one in each zone."
  type        = list(string)
  default     = []
}

variable "client_cidrs" {
  description = "Addresses that may use the endpoint."
  type        = list(string)
  default     = ["10.0.0.0/8"]
}

variable "ip_address_type" {
  description = "ipv4, dualstack or ipv6. With the last two the hosts set cloudwatch.use_dualstack."
  type        = string
  default     = "ipv4"
}

variable "tags" {
  type    = map(string)
  default = {}
}
