#!/usr/bin/env bash
# The second step, against the emulator of AWS: tasks that run get a domain; a function gets a website before
# it. What the emulator does not know of AWS's order of things is looked at on paper (test_changes.py).
#
#     make test-deploy-changes       no Docker, no root; three minutes
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/cdk/emulator.sh
export TILERY_STACK_NAME=mytiler TILERY_STACK_STAGE=dev TILERY_STACK_SOURCES=s3://my-bucket/imagery/
export TILERY_STACK_ARCHITECTURE=X86_64 TILERY_STACK_IMAGE=registry.example.com/tilery:1
printf 'PK\5\6' >"$work/package.zip"
head -c 18 /dev/zero >>"$work/package.zip"
export TILERY_STACK_LAMBDA_ZIP=$work/package.zip
timeout 120 npm run -s cdk -- bootstrap aws://123456789012/us-east-1
deploy() {
  timeout 600 npm run -s cdk -- deploy "$@" --require-approval never --outputs-file "$work/outputs.json"
  curl -s "$AWS_ENDPOINT_URL/_resources" >"$work/resources.json"
}
look() { python3 -c "
import json
found = json.load(open('$work/resources.json'))['$1']
outputs = json.load(open('$work/outputs.json'))['$1']
kinds = lambda kind: {n: r['Properties'] for n, r in found.items() if r['Type'] == 'AWS::' + kind}
$2
print('$3')"; }

deploy mytiler-ecs-dev
look mytiler-ecs-dev "
assert outputs['Url'].startswith('http://'), outputs" "deployed without a domain"
# the emulator makes no certificates of a template, and wants one that it knows
TILERY_STACK_CERTIFICATE_ARN=$(aws acm request-certificate --domain-name tiles.example.com --output json | python3 -c "
import json, sys
print(json.load(sys.stdin)['CertificateArn'])")
export TILERY_STACK_CERTIFICATE_ARN
export TILERY_STACK_DOMAIN=tiles.example.com
deploy mytiler-ecs-dev --method direct --previous-parameters=false
look mytiler-ecs-dev "
ports = {int(own['Port']): own['DefaultActions'][0]['Type'] for own in kinds('ElasticLoadBalancingV2::Listener').values()}
assert ports == {80: 'redirect', 443: 'forward'}, ports
assert '\"Host\": \"tiles.example.com\"' in json.dumps(kinds('ElasticLoadBalancingV2::Listener')), 'leads elsewhere'
assert outputs['Url'] == 'https://tiles.example.com', outputs" "a domain was added"
unset TILERY_STACK_CERTIFICATE_ARN TILERY_STACK_DOMAIN
export TILERY_STACK_TILE_WEBSITE=1
deploy mytiler-lambda-dev
look mytiler-lambda-dev "
(bucket,) = (own for name, own in kinds('S3::Bucket').items() if name.startswith('TileStore'))
rules = bucket['WebsiteConfiguration']['RoutingRules']
host = outputs['Url'].removeprefix('https://')
assert [r['RedirectRule'].get('HostName') for r in rules] == [host, host, None, None], (rules, outputs)
(function,) = (own for name, own in kinds('Lambda::Function').items() if name.startswith('Function'))
told = function['Environment']['Variables']
assert told['TILERY_TILE_STORE_URL'] == outputs['TilesUrl'], (told, outputs)
assert told['TILERY_PUBLIC_URL'] == outputs['Url'], (told, outputs)" "a website before a function was deployed"
timeout 120 npm run -s cdk -- destroy mytiler-ecs-dev mytiler-lambda-dev --force
