# The notebooks of examples/, and the reference that is made of docstrings.

# Sees the packages of the service's environment, and our own by their folder: a .pth that names a folder reads none there.
.venv-notebooks/.made: requirements/notebooks.txt $(VENV)/.develop
	$(RUN) -m venv --without-pip .venv-notebooks
	$(RUN) -c 'import sysconfig; print("$(CURDIR)", sysconfig.get_path("purelib"), sep="\n")' \
		> $$(.venv-notebooks/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/service.pth
	$(PIP) --python .venv-notebooks/bin/python install --no-compile --require-hashes -r $<
	@touch $@

test-notebooks: .venv-notebooks/.made ## the notebooks of examples/, run from nothing; with leafmap where that is installed
	.venv-notebooks/bin/python -m pytest --confcutdir=tests/notebooks tests/notebooks

look-notebook: node_modules/.made $(PAGES) ## pictures of the example in a headless JupyterLab; JUPYTER=…/bin/jupyter
	bash tests/notebooks/look.sh

.PHONY: test-notebooks look-notebook

.venv-docs/.made: requirements/docs.txt | $(VENV)/.python
	$(ENVIRONMENT)

docs: .venv-docs/.made ## build/docs/, the documentation as pages, with a reference made of docstrings
	.venv-docs/bin/python -m zensical build --strict -f mkdocs.yml

.PHONY: docs
