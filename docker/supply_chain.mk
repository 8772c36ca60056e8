# What the product is made of, and what is known of it. The same targets run by hand and in .github/workflows.

SUPPLY := .venv-supply-chain

$(SUPPLY)/.made: requirements/supply-chain.txt | $(VENV)/.python
	$(RUN) -m venv $(SUPPLY)
	$(SUPPLY)/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes -r requirements/supply-chain.txt
	@touch $@

wheel: $(VENV)/.service $(PAGES) ## dist/tilery-….whl
	rm -rf build/lib dist
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .

sbom: $(SUPPLY)/.made node_modules/.made ## bills of materials in CycloneDX: build/sbom/
	@mkdir -p build/sbom
	$(SUPPLY)/bin/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml --output-reproducible -o build/sbom/python.cdx.json
	$(SUPPLY)/bin/cyclonedx-py requirements requirements/zarr.txt --pyproject pyproject.toml --output-reproducible -o build/sbom/zarr.cdx.json
	$(SUPPLY)/bin/cyclonedx-py requirements requirements/lambda.txt --pyproject pyproject.toml --output-reproducible -o build/sbom/lambda.cdx.json
	npm sbom --package-lock-only --omit dev --sbom-format cyclonedx --sbom-type application > build/sbom/pages.cdx.json

audit: $(SUPPLY)/.made ## published vulnerabilities of what is locked (asks PyPI and npm)
	for lock in requirements.txt requirements-cdk.txt requirements/zarr.txt requirements/lambda.txt requirements/lambda-image.txt; do \
		$(SUPPLY)/bin/pip-audit --disable-pip --require-hashes -r $$lock $(AUDIT); done
	npm audit --package-lock-only --omit dev --audit-level high

lint-workflows: $(SUPPLY)/.made ## weaknesses of the workflows and mistakes in them; shellcheck looks at their commands where it is installed
	$(SUPPLY)/bin/zizmor --offline --no-progress --persona pedantic .github
	$(SUPPLY)/bin/jactionlint

.PHONY: wheel sbom audit lint-workflows
