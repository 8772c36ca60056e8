# The notebooks of examples/, and the reference that is made of docstrings.

# Sees the packages of the service's environment, and our own by their folder: a .pth that names a folder reads none there.
.venv-notebooks/.made: requirements/notebooks.txt | $(VENV)/.service
	$(RUN) -m venv .venv-notebooks
	$(RUN) -c 'import sysconfig; print("$(CURDIR)", sysconfig.get_path("purelib"), sep="\n")' \
		> $$(.venv-notebooks/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/service.pth
	.venv-notebooks/bin/python -m pip --quiet --disable-pip-version-check install --no-compile --require-hashes -r requirements/notebooks.txt
	@touch $@

test-notebooks: .venv-notebooks/.made ## the notebooks of examples/, run from nothing; with leafmap where that is installed
	.venv-notebooks/bin/python -m pytest --confcutdir=tests/notebooks tests/notebooks

look-notebook: node_modules/.made $(PAGES) ## pictures of the example in a headless JupyterLab; JUPYTER=…/bin/jupyter
	bash tests/notebooks/look.sh

.PHONY: test-notebooks look-notebook

.venv-docs/.made: requirements/docs.txt | $(VENV)/.python
	$(RUN) -m venv .venv-docs
	.venv-docs/bin/python -m pip --quiet --disable-pip-version-check install --no-compile --require-hashes -r requirements/docs.txt
	@touch $@

docs: .venv-docs/.made ## build/docs/, the documentation as pages, with a reference made of docstrings
	.venv-docs/bin/python -m zensical build --strict -f mkdocs.yml

.PHONY: docs
