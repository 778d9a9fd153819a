/**
 * The program that a hook in TypeScript runs in: `node run-typescript.js <file>`. Nothing of it is kept on disk: what runs is
 * the file, not what another program left in a shared temporary folder.
 */
import { createJiti } from 'jiti'

// Afterwards the arguments are those of a program of that name.
process.argv.splice(1, 1)
const [, file] = process.argv
if (file === undefined) throw new Error('run-typescript.js needs a file')
await createJiti(file, { fsCache: false }).import(file)
