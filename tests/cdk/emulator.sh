# Sourced by the scripts beside it: an emulator of AWS on this machine for as long as the script runs, a scratch folder, and
# variables that lead every tool there. `at_end COMMAND…` does something more when the script ends.
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 \
  AWS_EC2_METADATA_DISABLED=true JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=1
work=$(mktemp -d)
pids=()
ends=()
at_end() { ends+=("$*"); }
finish() {
  local status=$? end
  [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true
  for end in ${ends[@]+"${ends[@]}"}; do $end || true; done
  [ "$status" = 0 ] || tail -n 40 "$work"/*.log >&2 || true
  rm -rf "$work"
}
trap finish EXIT
# two ports that are free: one for AWS, one for what a function URL leads to
read -r api front < <(python3 -c "
import socket
a, b = socket.socket(), socket.socket()
a.bind(('127.0.0.1', 0)); b.bind(('127.0.0.1', 0))
print(a.getsockname()[1], b.getsockname()[1])")
export AWS_ENDPOINT_URL=http://127.0.0.1:$api
.venv-emulator/bin/python tests/cdk/aws_emulator.py --port "$api" --function-url "http://127.0.0.1:$front/" \
  >"$work/emulator.log" 2>&1 &
pids+=($!)
for _ in $(seq 150); do curl -sf "$AWS_ENDPOINT_URL/_stubs" >/dev/null && break; sleep 0.2; done

# where there is no AWS command line: one that can do what is needed here
mkdir "$work/bin"
printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$PWD/.venv-emulator/bin/python" "$PWD/tests/cdk/aws_cli.py" >"$work/bin/aws"
chmod +x "$work/bin/aws"
command -v aws >/dev/null || export PATH=$work/bin:$PATH
