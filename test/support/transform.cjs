// Compiles a TypeScript test or source file for jest, without checking types (npm run build and npm test check them).
// ts-node's cache of compiled code is shared by all workers, and one that is just being written ends V8.
process.env.DISABLE_V8_COMPILE_CACHE = '1'
const { create } = require('ts-node')
const compiler = create({ transpileOnly: true, compilerOptions: { sourceMap: true, inlineSources: true } })
module.exports = { process: (source, path) => ({ code: compiler.compile(source, path) }) }
