// Runs command lines of the built rays one after the other in one process, which is told them over its IPC channel. Starting
// Node and loading rays takes most of the time of a command; here it is done once for a test file. What a command prints
// goes to this process's own streams, followed on each of them by a mark with its exit code and whether it left a timer behind.
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const require = createRequire(import.meta.url)
const exit = process.exit.bind(process)

const { main } = await import(pathToFileURL(path.join(ROOT, 'dist/src/cli.js')).href)
const own = new Set(Object.keys(require.cache))
process.on('disconnect', () => exit(0))
process.on('message', ({ args, cwd, env, mark }) => void run(args, cwd, env, mark))
process.send('ready')

async function run(args, cwd, env, mark) {
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name]
  Object.assign(process.env, env)
  process.chdir(cwd)
  process.exitCode = undefined
  // A command that has ended sees to it that the process ends soon; nothing else ends it without a code.
  process.exit = (code) => (code === undefined ? undefined : exit(code))
  // As in a process of its own: with nothing left to wait for, the event loop is empty.
  process.on('beforeExit', onEmpty)
  process.channel.unref()
  await main(args)
  process.channel.ref()
  process.removeListener('beforeExit', onEmpty)
  const code = process.exitCode ?? 0
  // A timer of a migration would have ended with its process; here it would keep later lines waiting.
  const spent = process.getActiveResourcesInfo().includes('Timeout')
  process.exitCode = undefined
  for (const event of ['unhandledRejection', 'exit']) process.removeAllListeners(event)
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners('error')
    stream.write(`${mark}${code}${spent ? ' spent' : ''}\n`)
  }
  for (const file of Object.keys(require.cache))
    if (!own.has(file) && !file.startsWith(path.join(ROOT, 'node_modules'))) delete require.cache[file]
  process.chdir('/')
}

/** Node's own code for a program that has nothing left to wait for and has not ended. */
function onEmpty() {
  if (process.listenerCount('beforeExit') === 1) exit(13)
}
