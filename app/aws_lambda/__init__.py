"""The service as an AWS Lambda function: handler, events, snapshots."""
