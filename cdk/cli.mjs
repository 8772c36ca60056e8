// The cdk command, as `npm run cdk -- …`. One thing is different: `synth` that names no stack prints a template, which the command
// itself does only where there is one stack. It is the first, that of the tasks; the others are named.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const CDK = fileURLToPath(new URL('../node_modules/aws-cdk/bin/cdk', import.meta.url))
// options that are followed by a word of their own
const VALUED = new Set([
  '-a', '--app', '-c', '--context', '-o', '--output', '-p', '--plugin', '-r', '--role-arn', '--profile', '--region', '--proxy',
  '--ca-bundle-path', '--build', '--toolkit-stack-name', '--unstable'
])

const words = process.argv.slice(2)
const named = (name, short) => words.findIndex((word) => word === name || word === short || word.startsWith(`${name}=`))
const positional = words.filter((word, place) => !word.startsWith('-') && !VALUED.has(words[place - 1]))
const quiet = words.some((word) => ['-q', '--quiet', '-h', '--help', '--all'].includes(word))
const bare = positional.length === 1 && ['synth', 'synthesize'].includes(positional[0])

if (bare && !quiet && named('--app', '-a') < 0) {
  run([...words, '--quiet'], process.stderr) // where CI is set the command talks on its standard output
  const place = named('--output', '-o')
  const output = place < 0 ? 'cdk.out' : words[place].includes('=') ? words[place].split('=')[1] : words[place + 1]
  const { artifacts } = JSON.parse(readFileSync(path.join(output, 'manifest.json'), 'utf8'))
  const stacks = Object.keys(artifacts).filter((name) => artifacts[name].type === 'aws:cloudformation:stack')
  stacks.sort((one, other) => other.includes('-ecs-') - one.includes('-ecs-'))
  const json = words.filter((word) => ['-j', '--json'].includes(word))
  run(['synth', stacks[0], '--app', output, ...json], 'inherit', 'pipe') // what it warns of was said above
  if (stacks.length > 1) {
    console.error(`This is ${stacks[0]}. The others: npm run cdk -- synth ${stacks.slice(1).join(', or ')}`)
  }
} else {
  run(words)
}

function run(rest, output = 'inherit', errors = 'inherit') {
  const { status, stderr } = spawnSync(process.execPath, [CDK, ...rest], { stdio: ['inherit', output, errors] })
  if (status === 0) return
  if (stderr) process.stderr.write(stderr)
  process.exit(status ?? 1)
}
