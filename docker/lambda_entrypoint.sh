#!/bin/sh
# In Lambda AWS's runtime client; anywhere else an emulator of Lambda's Runtime API around it, which answers on port 8080 as the
# one in AWS's own images does.
[ -n "$AWS_LAMBDA_RUNTIME_API" ] || exec python -m app.aws_lambda.emulator "$@"
exec python -m awslambdaric "$@"
