// Compiles a TypeScript test or source file for jest, without checking types (npm run build and npm test check them).
const { create } = require('ts-node')
const compiler = create({ transpileOnly: true, compilerOptions: { sourceMap: true, inlineSources: true } })
module.exports = { process: (source, path) => ({ code: compiler.compile(source, path) }) }
