#!/usr/bin/env bash
# Pictures of examples/notebook.ipynb in a headless JupyterLab: directly, and as a browser on another machine sees it, which has
# nothing but the Jupyter server's own port. JUPYTER names a jupyter with jupyterlab, jupyter-server-proxy and tilery beside it.
set -euo pipefail
jupyter=${JUPYTER:?'name a jupyter that has jupyterlab and jupyter-server-proxy: JUPYTER=…/bin/jupyter'}
root=$(cd "$(dirname "$0")/../.." && pwd)
port=${PORT:-8897}
folder=$(mktemp -d)
mkdir -p "$root/build/notebook"
cp "$root/examples/notebook.ipynb" "$folder"
JUPYTER_CONFIG_DIR=$folder/.config "$jupyter" lab --no-browser --allow-root --port "$port" --ServerApp.port_retries=0 \
  --ServerApp.base_url=/user/ada/ --IdentityProvider.token=look --ServerApp.root_dir="$folder" > "$folder/log" 2>&1 &
server=$!
trap 'kill $server; wait $server || true; rm -rf "$folder"' EXIT
until grep -q "is running at" "$folder/log"; do kill -0 $server; sleep 0.5; done
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
for way in direct proxied; do
  node "$root/tests/notebooks/jupyterlab.mjs" "$chromium" "http://127.0.0.1:$port/user/ada/lab/tree/notebook.ipynb?token=look" \
    "$root/build/notebook/$way.png" $way
done
echo "Pictures are in build/notebook/."
