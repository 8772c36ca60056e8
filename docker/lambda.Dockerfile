# The service for AWS Lambda, for amd64 and arm64: as an image with AWS's runtime client, and as a zip.
#
#   docker build -f docker/lambda.Dockerfile --target image -t tilery-lambda .
#   docker build -f docker/lambda.Dockerfile --target zip -o build .        # build/package.zip (needs BuildKit)
#
# The image begins with the same base as the service's, not with AWS's, so that what is tested is what ships.
ARG LAMBDA_PYTHON=3.13
# @sha256:… binds a build to one base image; a release says which (.github/workflows/release.yml)
ARG BASE_DIGEST=

# rasterio's wheels take the XML parser from the system, and the slim image has none
FROM python:${LAMBDA_PYTHON}-slim${BASE_DIGEST} AS base
RUN ldconfig -p | grep -q libexpat.so.1 \
    || (apt-get update -qq && apt-get install -y -qq --no-install-recommends libexpat1 >/dev/null \
        && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin)

# Scripts and styles of the map and API pages, as in the service's image
FROM base AS pages
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
WORKDIR /build
COPY requirements/pages.txt ./
RUN pip install --no-cache-dir --root-user-action=ignore --require-hashes -r pages.txt
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY web web
RUN node web/tools/main.mjs

# The kernels, compiled: the compiler stays behind
FROM base AS kernels
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
WORKDIR /build
COPY requirements/build.txt ./
RUN pip install --no-cache-dir --root-user-action=ignore --require-hashes -r build.txt
COPY setup.py pyproject.toml README.md LICENSE ./
COPY requirements/service.in requirements/
COPY tilery tilery
RUN python setup.py --quiet build_ext --inplace && test -e tilery/kernels/_compiled.abi3.so

# Packages of the image
FROM base AS packages
WORKDIR /build
RUN python -m venv --without-pip /srv/venv
COPY requirements/lambda.txt requirements/lambda-image.txt docker/trim.py ./
RUN pip --python /srv/venv/bin/python install --no-cache-dir --no-compile --only-binary :all: --require-hashes -r lambda.txt \
    && pip --python /srv/venv/bin/python install --no-cache-dir --no-compile --only-binary :all: --require-hashes -r lambda-image.txt \
    && python trim.py --strip "$(echo /srv/venv/lib/python3.*/site-packages)" \
    && python -m compileall -q -j 0 /srv/venv/lib

FROM base AS image
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tilery for AWS Lambda" \
      org.opencontainers.image.description="A tile server for rasters" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN rm -rf /usr/local/lib/python3.*/site-packages/pip* /usr/local/lib/python3.*/ensurepip /usr/local/bin/pip* \
    && useradd --system --no-create-home --home-dir /tmp --shell /usr/sbin/nologin --uid 10001 tilery
WORKDIR /srv/tilery
COPY --from=packages /srv/venv /srv/venv
COPY docker/lambda_entrypoint.sh ./
COPY tilery tilery
COPY app app
COPY --from=kernels /build/tilery/kernels/_compiled.abi3.so tilery/kernels/
COPY --from=pages /build/app/api/static/vendor app/api/static/vendor
# an image whose libraries were trimmed too far is not made: every format is written, every route is loaded
RUN /srv/venv/bin/python -m compileall -q app tilery && AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1024 PYTHONPATH=. /srv/venv/bin/python -c "import awslambdaric.bootstrap, rio_tiler.io, rio_stac, pyproj, obstore, tilery.kernels; assert tilery.kernels.COMPILED; from app.aws_lambda import handler, snapshot; assert set(snapshot.load(handler._application)) == {200}"
ENV PATH=/srv/venv/bin:$PATH \
    PYTHONPATH=/srv/tilery \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2
USER 10001:10001
# in Lambda AWS's runtime client; anywhere else an emulator, on port 8080
ENTRYPOINT ["/srv/tilery/lambda_entrypoint.sh"]
CMD ["app.lambda_handler.handler"]

# The zip, by the script that `make lambda-zip` runs too: for the processor that this image is for
FROM base AS package
WORKDIR /build
COPY docker/lambda_zip.py docker/trim.py docker/
COPY requirements/lambda.txt requirements/
COPY tilery tilery
COPY app app
COPY --from=kernels /build/tilery/kernels/_compiled.abi3.so tilery/kernels/
COPY --from=pages /build/app/api/static/vendor app/api/static/vendor
ARG LAMBDA_PYTHON
RUN case "$(uname -m)" in aarch64) architecture=arm64 ;; *) architecture=x86_64 ;; esac \
    && python docker/lambda_zip.py --architecture "$architecture" --python "$LAMBDA_PYTHON" --to /package.zip

FROM scratch AS zip
COPY --from=package /package.zip /package.zip
