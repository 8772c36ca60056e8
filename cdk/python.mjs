// Runs Python for npm and the cdk command: `node cdk/python.mjs MODULE -m cdk.app`. The environment is the active one, else that
// of `make cdk`, else .venv, else whatever python3 is: the first in which MODULE, which is what the work cannot do without, is.
import { spawnSync } from 'node:child_process'
import path from 'node:path'

const PACKAGES = 'python -m pip install -r requirements-cdk.txt'

const [needed, ...rest] = process.argv.slice(2)
const folders = [process.env.VIRTUAL_ENV, '.venv-cdk', '.venv'].filter(Boolean)
const inside = process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']
const candidates = [...folders.map((folder) => path.resolve(folder, ...inside)), 'python3', 'python']
const question = `import importlib.util, sys; sys.exit(sys.version_info < (3, 11) or importlib.util.find_spec('${needed}') is None)`
const python = candidates.find((name) => spawnSync(name, ['-c', question], { stdio: 'ignore' }).status === 0)
if (!python) {
  console.error(
    `No Python (3.11 or newer) with ${needed} was found in ${candidates.join(', ')}.\n` +
      `In an environment of your own: ${PACKAGES}; or let make do it: make cdk`
  )
  process.exit(1)
}
const done = spawnSync(python, rest, { stdio: 'inherit' })
process.exit(done.status ?? 1)
