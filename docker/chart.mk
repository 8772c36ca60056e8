# The Helm chart (deploy/helm/tilery).

.venv-chart/.made: requirements/chart.txt | $(VENV)/.python
	$(RUN) -m venv .venv-chart
	.venv-chart/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes -r requirements/chart.txt
	@touch $@

test-chart: .venv-chart/.made ## the Helm chart: rendered by Helm, held to Kubernetes' schemas
	.venv-chart/bin/python -m pytest --confcutdir=tests/chart tests/chart

chart: ## build/tilery-….tgz, the Helm chart as `helm install` takes it
	@mkdir -p build
	tar --create --gzip --file build/tilery-$$(sed -n 's/^version: //p' deploy/helm/tilery/Chart.yaml).tgz --directory deploy/helm tilery

.PHONY: test-chart chart
