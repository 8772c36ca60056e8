# The service. Builds with any Docker or Podman, for amd64 and arm64: docker build -t tilery .
ARG PYTHON_VERSION=3.13
# @sha256:… binds a build to one base image; a release says which (.github/workflows/release.yml)
ARG BASE_DIGEST=

# rasterio's wheels take the XML parser from the system, and the slim image has none
FROM python:${PYTHON_VERSION}-slim${BASE_DIGEST} AS base
RUN ldconfig -p | grep -q libexpat.so.1 \
    || (apt-get update -qq && apt-get install -y -qq --no-install-recommends libexpat1 >/dev/null \
        && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin)

# Scripts and styles of the map and API pages
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

# Python packages, exactly those of the lock file, without what a running service never opens
FROM base AS packages
# what not everybody needs: --build-arg EXTRAS="oidc telemetry"
ARG EXTRAS=
RUN python -m venv --without-pip /srv/venv
COPY requirements.txt docker/trim.py ./
COPY requirements/zarr.txt requirements/oidc.txt requirements/telemetry.txt requirements/
RUN install() { pip --python /srv/venv/bin/python install --no-cache-dir --no-compile --only-binary :all: --require-hashes -r "$1"; } \
    && install requirements.txt && install requirements/zarr.txt \
    && for extra in $EXTRAS; do install "requirements/$extra.txt" || exit 1; done \
    && python trim.py --strip "$(echo /srv/venv/lib/python3.*/site-packages)" \
    && python -m compileall -q -j 0 /srv/venv/lib

FROM base
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tilery" \
      org.opencontainers.image.description="A tile server for rasters" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN rm -rf /usr/local/lib/python3.*/site-packages/pip* /usr/local/lib/python3.*/ensurepip /usr/local/bin/pip* \
    && useradd --system --no-create-home --home-dir /tmp --shell /usr/sbin/nologin --uid 10001 tilery
WORKDIR /srv/tilery
COPY --from=packages /srv/venv /srv/venv
COPY docker/healthcheck.py docker/
COPY tilery tilery
COPY app app
COPY --from=kernels /build/tilery/kernels/_compiled.abi3.so tilery/kernels/
COPY --from=pages /build/app/api/static/vendor app/api/static/vendor
# an image whose libraries were trimmed too far is not made
RUN /srv/venv/bin/python -m compileall -q app tilery && PYTHONPATH=. /srv/venv/bin/python -c "import app.main, rasterio, rio_tiler.io, morecantile, rio_stac, obstore, isal, numcodecs.blosc, cftime, google_crc32c, color_operations, pyproj, tilery.reading.reader, tilery.kernels; assert tilery.kernels.COMPILED; from imagecodecs import deflate_encode, zlib_decode, zstd_decode, lzma_decode, lzw_decode, packbits_decode, delta_decode, floatpred_decode, jpeg8_encode, webp_encode, lerc_decode"
ENV PATH=/srv/venv/bin:$PATH \
    PYTHONPATH=/srv/tilery \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2 \
    HOST=0.0.0.0 \
    PORT=80 \
    DRAIN_DELAY=5
USER 10001:10001
# the one place that is written to; the rest of the file system may be read-only
VOLUME ["/tmp"]
EXPOSE 80
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-IS", "docker/healthcheck.py"]
CMD ["gunicorn", "-c", "python:app.process.gunicorn_conf", "app.main:app"]
