# The Lambda function: its packages, and the stages of its tests (docs/deploy-lambda.md).

ARCHITECTURE ?= x86_64
LAMBDA_PYTHON ?= 3.13
# the digest is that of one version's image
LAMBDA_BOUND = $(filter python:$(LAMBDA_PYTHON)-slim,$(BASE_IMAGE))

lambda-zip: $(VENV)/.service $(PAGES) ## build/package.zip for Lambda, without Docker; ARCHITECTURE=arm64 LAMBDA_PYTHON=3.13
	$(RUN) docker/lambda_zip.py --architecture $(ARCHITECTURE) --python $(LAMBDA_PYTHON) --to build/package.zip

lambda-image: ## build the image for Lambda
	docker build -f docker/lambda.Dockerfile --target image --build-arg LAMBDA_PYTHON=$(LAMBDA_PYTHON) $(if $(LAMBDA_BOUND),$(BOUND)) \
		--build-arg REVISION=$$(git rev-parse --short HEAD 2>/dev/null || echo unknown) -t tilery-lambda .$(if $(LAMBDA_BOUND), || $(UNBOUND))

lambda-serve: $(VENV)/.develop $(PAGES) ## the function on port 9000, behind Lambda's Runtime API; KIND=alb
	$(RUN) tests/support/lambda_runtime.py --port 9000 --kind $(or $(KIND),http-api) -- \
		$(RUN) -m awslambdaric app.lambda_handler.handler

# Five stages, from the smallest part to the deployed function; test-deployed is the fifth. `make test` has one to four.

test-functions: $(VENV)/.develop ## stage 1 of Lambda's tests: pure functions
	$(RUN) -m pytest $(SIDE_BY_SIDE) tests/rendering tests/serving tests/catalog $(wildcard tests/test_*.py) $(TESTS)

test-api: $(VENV)/.develop $(PAGES) ## stage 2: the API through a test client
	$(RUN) -m pytest $(SIDE_BY_SIDE) tests/api $(TESTS)

test-handler: $(VENV)/.develop $(PAGES) ## stage 3: the handler with recorded events of every kind
	$(RUN) -m pytest tests/aws_lambda/test_events.py $(TESTS)

test-lambda: $(VENV)/.develop $(PAGES) ## stage 4: AWS's runtime client on a Runtime API; the image, where there is an engine
	TILERY_CONTAINER=1 $(RUN) -m pytest tests/aws_lambda/test_runtime.py tests/docker/test_lambda_zip.py \
		tests/container/test_lambda_image.py $(TESTS)

# The Serverless CLI, which checks serverless.yml.
docker/serverless/node_modules/.made: docker/serverless/package.json docker/serverless/package-lock.json
	npm ci --prefix docker/serverless --no-audit --no-fund --loglevel=error
	@touch $@

prepare: docker/serverless/node_modules/.made

.PHONY: lambda-zip lambda-image lambda-serve test-functions test-api test-handler test-lambda
