#!/usr/bin/env bash
# The commands of docs/deploy-ecs.md under "With pip and npm", letter for letter, in a copy of this checkout that has neither an
# environment nor node_modules yet; AWS is the emulator.
#
#     make test-deploy-guide         no Docker, no root; some minutes, most of them for aws-cdk-lib
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/cdk/emulator.sh
commands=$(sed -n '/^## With pip and npm/,/^## /s/^    //p' docs/deploy-ecs.md)
grep -q 'pip install -r requirements-cdk.txt' <<<"$commands" && grep -q 'cdk -- deploy' <<<"$commands"
mkdir "$work/checkout"
git ls-files -z | tar --null -cT - | tar -xC "$work/checkout"
unset VIRTUAL_ENV
# nobody is asked; the image is one that was pushed before, so that no Docker is needed
export CDK_REQUIRE_APPROVAL=never TITILER_STACK_IMAGE=registry.example.com/tilery:1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1
(cd "$work/checkout" && bash -euo pipefail -c "$commands") | tee "$work/said"
grep -q '^  Service' "$work/said" || { echo "synth printed no template" >&2; exit 1; }
curl -s "$AWS_ENDPOINT_URL/_resources" | python3 -c "
import json, sys
found = json.load(sys.stdin)['mytiler-ecs-dev'].values()
(target,) = (r['Properties'] for r in found if r['Type'] == 'AWS::ApplicationAutoScaling::ScalableTarget')
assert (int(target['MinCapacity']), int(target['MaxCapacity'])) == (10, 20), target
print('deployed', len(found), 'resources')"
