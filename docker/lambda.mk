# The Lambda function: its package, and the stages of its tests (docs/deploy-lambda.md).

ARCHITECTURE ?= x86_64
LAMBDA_PYTHON ?= 3.13

lambda-zip: $(VENV)/.service $(PAGES) ## build/package.zip for Lambda, without Docker; ARCHITECTURE=arm64 LAMBDA_PYTHON=3.13
	$(RUN) docker/lambda_zip.py --architecture $(ARCHITECTURE) --python $(LAMBDA_PYTHON) --to build/package.zip

.PHONY: lambda-zip
