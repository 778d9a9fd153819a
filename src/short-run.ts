/** Tells V8 what kind of program this is. */
import v8 from 'node:v8'

/**
 * Keeps V8 from optimising WebAssembly before it has run for long: Prisma's engine is asked a few questions and is done,
 * and optimising its large functions takes three times as long as the answers, and as much memory as all the rest. Nor is
 * all of it checked beforehand: most of it never runs, and what does is checked when it first runs. V8 ignores flags that
 * it does not know.
 */
export function expectShortRun(): void {
  v8.setFlagsFromString('--wasm-tiering-budget=100000000')
  v8.setFlagsFromString('--wasm-lazy-validation')
}
