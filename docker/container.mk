# The image and what is tested with it.

image: ## build the service's image
	docker build --build-arg REVISION=$$(git rev-parse --short HEAD 2>/dev/null || echo unknown) -t tilery .

test-container: $(VENV)/.develop .venv-cdk/.made ## the image with a real engine: limits, rolling replacement, memory (root)
	TILERY_CONTAINER=all $(RUN) -m pytest tests/container $(TESTS)

.PHONY: image test-container
