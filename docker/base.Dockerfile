# The base of the service's image and of the function's, which `make image` and releases bind to the digest that stands here.
# `make base` asks the registry for it; from then on Dependabot moves it. Nothing is built from this file.
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
