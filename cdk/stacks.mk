# The stacks on AWS: an environment of their own, because aws-cdk-lib is as large as everything else together.

.venv-cdk/.made: requirements-cdk.txt | $(VENV)/.python
	@echo 'Setting up the environment of the stacks; the first time this takes a minute or two.'
	$(ENVIRONMENT)

cdk: .venv-cdk/.made node_modules/.made ## what deploying needs: aws-cdk-lib and the cdk command

cost: $(VENV)/.service ## what the stacks cost in a month: make cost COST="--tiles 5e6"
	@$(RUN) -m cdk.cost $(COST)

template: .venv-cdk/.made ## dist/tilery.template.json, for CloudFormation without CDK: IMAGE=ghcr.io/owner/tilery@sha256:…
	@test -n "$(IMAGE)" || { echo 'Name the image: make template IMAGE=ghcr.io/owner/tilery@sha256:…' >&2; exit 1; }
	@mkdir -p dist
	.venv-cdk/bin/python -m cdk.template --image "$(IMAGE)" > dist/tilery.template.json.part
	@mv dist/tilery.template.json.part dist/tilery.template.json

test-cdk: .venv-cdk/.made ## the stacks: each safeguard on the synthesised template
	.venv-cdk/bin/python -m pytest --confcutdir=tests/cdk $(SIDE_BY_SIDE) tests/cdk

.PHONY: cdk cost template test-cdk

.venv-emulator/.made: requirements/emulator.txt | $(VENV)/.python
	$(ENVIRONMENT)

test-deploy: cdk .venv-emulator/.made ## deploy for real, to an emulator of AWS on this machine (root)
	ROLL=1 bash tests/cdk/deploy.sh

.PHONY: test-deploy

test-deployed: $(VENV)/.python ## a deployed service, over HTTP: STACK=mytiler-lambda-dev or URL=https://…; SOURCE=s3://… names a raster
	@$(RUN) -m tests.deployed.smoke $(if $(URL),--url "$(URL)",--stack "$(STACK)") $(if $(OUTPUTS),--outputs "$(OUTPUTS)") \
		$(if $(SOURCE),--source "$(SOURCE)") $(if $(TOKEN),--token "$(TOKEN)") $(if $(WAIT),--wait "$(WAIT)")

release: $(VENV)/.python ## shift traffic to the tasks that `cdk deploy` made ready: STACK=mytiler-ecs-dev
	@$(RUN) -m cdk.release "$(STACK)" $(if $(OUTPUTS),--outputs "$(OUTPUTS)") $(RELEASE)

.PHONY: test-deployed release

test-deploy-lambda: cdk $(VENV)/.develop .venv-emulator/.made ## the same for the Lambda stack: the zip that was deployed, asked over HTTP
	bash tests/cdk/deploy_lambda.sh

.PHONY: test-deploy-lambda

test-deploy-release: cdk .venv-emulator/.made ## the same for the pipeline and for tasks that CodeDeploy releases
	bash tests/cdk/deploy_release.sh

.PHONY: test-deploy-release

test-deploy-guide: .venv-emulator/.made ## the guide's commands with pip and npm, letter for letter, against the emulator
	bash tests/cdk/deploy_guide.sh

.PHONY: test-deploy-guide

test-deploy-changes: cdk .venv-emulator/.made ## the second step against the emulator: a domain for tasks that run, a website for a function
	bash tests/cdk/deploy_changes.sh

.PHONY: test-deploy-changes

test-deploy-template: .venv-cdk/.made .venv-emulator/.made ## the template that needs no CDK, deployed to the emulator by CloudFormation alone
	bash tests/cdk/deploy_template.sh

.PHONY: test-deploy-template
