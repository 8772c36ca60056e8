# The image and what is tested with it.

# the digest of docker/base.Dockerfile, as @sha256:…; nothing where it has none
BASE_DIGEST = $(shell sed -n 's/^FROM python:[^@]*\(@sha256:[0-9a-f]\{64\}\)$$/\1/p' docker/base.Dockerfile)
BASE_IMAGE = $(shell sed -n 's/^FROM \(python:[^@]*\).*/\1/p' docker/base.Dockerfile)
BOUND = $(if $(BASE_DIGEST),--build-arg BASE_DIGEST=$(BASE_DIGEST))
# what a build that failed says at its end, where it may be the digest that cannot be had
UNBOUND = { $(if $(BASE_DIGEST),echo 'Is there no registry to ask for that base image? make $@ BASE_DIGEST= builds upon the $(BASE_IMAGE) that this machine has.' >&2;) exit 1; }
ASK_BASE = docker buildx imagetools inspect $(BASE_IMAGE) --format '{{.Manifest.Digest}}'

base: ## bind the images to the base image that the registry has today: docker/base.Dockerfile
	digest=$$($(ASK_BASE)) && sed -i.old "s|^FROM .*|FROM $(BASE_IMAGE)@$$digest|" docker/base.Dockerfile && rm docker/base.Dockerfile.old

base-digest: # the digest that a release is built from: that of the file, else today's
	@if test -n "$(BASE_DIGEST)"; then echo "$(BASE_DIGEST)"; else digest=$$($(ASK_BASE)) && echo "@$$digest"; fi

image: ## build the service's image
	docker build $(BOUND) --build-arg REVISION=$$(git rev-parse --short HEAD 2>/dev/null || echo unknown) -t tilery . || $(UNBOUND)

test-container: $(VENV)/.develop .venv-cdk/.made ## the image with a real engine: limits, rolling replacement, memory (root)
	TILERY_CONTAINER=all $(RUN) -m pytest tests/container $(TESTS)

.PHONY: base base-digest image test-container
