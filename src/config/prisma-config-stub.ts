/**
 * Answers `import { defineConfig, env } from 'prisma/config'` when rays reads prisma.config.ts: the same two functions
 * without Prisma's CLI behind them, so that a container without the prisma package can migrate, and quickly.
 */

/** Prisma: defineConfig returns its argument. */
export function defineConfig<T>(config: T): T {
  return config
}

/** Prisma: env(name) is the variable; rays reports a missing one only if it is needed. */
export function env(name: string): string {
  return process.env[name] ?? ''
}
