"""Events to Amazon SQS, SNS and EventBridge: one sink a service, on one way of making clients and reading errors."""
