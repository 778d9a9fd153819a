/**
 * Which commands a line needs. Loading all of them takes a third of the time of a short command, and most lines name theirs
 * first. The compiler holds this list and that of index.ts together.
 */
import type { Command } from '../command.js'
import type { COMMANDS } from './index.js'

type Name = (typeof COMMANDS)[number]['name']

const LOADERS: { readonly [_ in Name]: () => Promise<Command & { readonly name: _ }> } = {
  init: async () => (await import('./init.js')).init,
  prepare: async () => (await import('./prepare.js')).prepare,
  makemigration: async () => (await import('./makemigration.js')).makemigration,
  migrate: async () => (await import('./migrate.js')).migrate,
  adopt: async () => (await import('./adopt.js')).adopt,
  push: async () => (await import('./push.js')).push,
  status: async () => (await import('./status.js')).status,
  prisma: async () => (await import('./prisma.js')).prisma,
  lock: async () => (await import('./lock.js')).lock,
  config: async () => (await import('./config.js')).config,
  save: async () => (await import('./save.js')).save,
  up: async () => (await import('./up.js')).up,
  down: async () => (await import('./down.js')).down,
  commit: async () => (await import('./commit.js')).commit,
  redo: async () => (await import('./redo.js')).redo,
  sqlmigrate: async () => (await import('./sqlmigrate.js')).sqlmigrate,
  reset: async () => (await import('./reset.js')).reset,
  seed: async () => (await import('./seed.js')).seed,
  docs: async () => (await import('./docs.js')).docs,
  doctor: async () => (await import('./doctor.js')).doctor,
  squash: async () => (await import('./squash.js')).squash,
  rebase: async () => (await import('./rebase.js')).rebase,
  upgrade: async () => (await import('./upgrade.js')).upgrade,
  eject: async () => (await import('./eject.js')).eject,
  dev: async () => (await import('./dev.js')).dev,
  draft: async () => (await import('./draft.js')).draft,
  rollback: async () => (await import('./rollback.js')).rollback,
  unlock: async () => (await import('./unlock.js')).unlock,
  knex: async () => (await import('./knex.js')).knex,
  import: async () => (await import('./import.js')).importCommand,
  completion: async () => (await import('./completion.js')).completion,
  export: async () => (await import('./export.js')).exportCommand,
}

/** @returns every command that the line may be about: its own, none, or all where only the grammar can tell */
export async function commandsFor(line: readonly string[]): Promise<readonly Command[]> {
  const [first] = line
  if (isName(first)) return [await LOADERS[first]()]
  if (line.every((word) => /^--?[a-z]/i.test(word))) return []
  return (await import('./index.js')).COMMANDS
}

function isName(word: string | undefined): word is Name {
  return word !== undefined && Object.hasOwn(LOADERS, word)
}
