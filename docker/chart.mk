# The Helm chart (deploy/helm/tilery).

.venv-chart/.made: requirements/chart.txt | $(VENV)/.python
	$(ENVIRONMENT)

test-chart: .venv-chart/.made ## the Helm chart: rendered by Helm, held to Kubernetes' schemas
	.venv-chart/bin/python -m pytest --confcutdir=tests/chart tests/chart

chart: ## build/tilery-….tgz, the Helm chart as `helm install` takes it
	@mkdir -p build
	tar --create --gzip --file build/tilery-$$(sed -n 's/^version: //p' deploy/helm/tilery/Chart.yaml).tgz --directory deploy/helm tilery

.PHONY: test-chart chart
