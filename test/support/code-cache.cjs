// Loaded before Prisma's and Knex's command lines (node --require): the compiled code of the hundreds of files of theirs is
// kept between runs, which halves what a run costs. Node 20 has no such cache of its own.
const { createHash } = require('node:crypto')
const fs = require('node:fs')
const Module = require('node:module')
const path = require('node:path')
const v8 = require('node:v8')
const vm = require('node:vm')

const PACKAGES = path.join(__dirname, '../../node_modules')
const FOLDER = path.join(PACKAGES, '.cache/rays-tests')
const PROGRAM = createHash('sha256')
  .update(process.argv[1] ?? '')
  .digest('hex')
  .slice(0, 16)
const STORE = path.join(FOLDER, `code-${process.version}-${process.arch}-${PROGRAM}`)
/** With fewer files that are not kept yet, writing everything anew costs more than it saves. */
const ENOUGH = 20

const known = read()
const scripts = new Map()
const { _compile } = Module.prototype

Module.prototype._compile = function (content, file, ...rest) {
  if (!file.startsWith(PACKAGES)) return _compile.call(this, content, file, ...rest)
  const version = `${file} ${content.length} ${fs.statSync(file).mtimeMs}`
  let script
  try {
    script = new vm.Script(wrap(content), { filename: file, cachedData: known.get(version) })
  } catch {
    // An ES module, which Node compiles itself.
    return _compile.call(this, content, file, ...rest)
  }
  scripts.set(version, script)
  const require = Object.assign((id) => this.require(id), Module.createRequire(file), { main: process.mainModule })
  const run = script.runInThisContext()
  return run.call(this.exports, this.exports, require, this, file, path.dirname(file), (name) => import(name))
}

/** V8 forgets what import() in kept code is to be answered by. These packages import by a package's name or a whole path. */
function wrap(content) {
  const plain = content.startsWith('#!') ? `//${content}` : content
  const code = plain.includes('import(')
    ? plain.replace(/(?<![.\w$]|export default )import\(/g, '__import(')
    : plain
  return `(function (exports, require, module, __filename, __dirname, __import) { ${code}\n})`
}

process.once('exit', () => {
  if ([...scripts.keys()].filter((version) => !known.has(version)).length < ENOUGH) return
  for (const [version, script] of scripts) known.set(version, script.createCachedData())
  try {
    fs.mkdirSync(FOLDER, { recursive: true })
    // Whole or not at all: other runs read it meanwhile.
    fs.writeFileSync(`${STORE}-${process.pid}`, v8.serialize(known))
    fs.renameSync(`${STORE}-${process.pid}`, STORE)
  } catch {
    // It is only slower without.
  }
})

function read() {
  try {
    return v8.deserialize(fs.readFileSync(STORE))
  } catch {
    return new Map()
  }
}
