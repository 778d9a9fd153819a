#!/usr/bin/env node
// Prisma's schema engine, answered by rays: PRISMA_SCHEMA_ENGINE_BINARY=<this file> prisma migrate ...
import { runPrismaEngine } from '../dist/src/prisma-engine/main.js'

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stopping.abort())
const { stdin: input, stdout: output, stderr: errors } = process
const code = await runPrismaEngine(process.argv.slice(2), process.cwd(), {
  input,
  output,
  errors,
  signal: stopping.signal,
})
// The engine's own timers (Prisma: ten seconds for the advisory lock) must not keep a finished process alive.
output.write('', () => process.exit(code))
