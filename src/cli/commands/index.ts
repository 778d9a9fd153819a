/** Every command of the command line, in the order in which `--help` lists them. */
import { adopt } from './adopt.js'
import { commit } from './commit.js'
import { completion } from './completion.js'
import { config } from './config.js'
import { dev } from './dev.js'
import { docs } from './docs.js'
import { doctor } from './doctor.js'
import { down } from './down.js'
import { draft } from './draft.js'
import { eject } from './eject.js'
import { exportCommand } from './export.js'
import { importCommand } from './import.js'
import { init } from './init.js'
import { knex } from './knex.js'
import { lock } from './lock.js'
import { makemigration } from './makemigration.js'
import { migrate } from './migrate.js'
import { prepare } from './prepare.js'
import { prisma } from './prisma.js'
import { push } from './push.js'
import { rebase } from './rebase.js'
import { redo } from './redo.js'
import { reset } from './reset.js'
import { rollback } from './rollback.js'
import { save } from './save.js'
import { seed } from './seed.js'
import { sqlmigrate } from './sqlmigrate.js'
import { squash } from './squash.js'
import { status } from './status.js'
import { unlock } from './unlock.js'
import { up } from './up.js'
import { upgrade } from './upgrade.js'

export const COMMANDS = [
  init,
  prepare,
  makemigration,
  migrate,
  adopt,
  push,
  status,
  prisma,
  lock,
  config,
  save,
  up,
  down,
  commit,
  redo,
  sqlmigrate,
  reset,
  seed,
  docs,
  doctor,
  squash,
  rebase,
  upgrade,
  eject,
  dev,
  draft,
  rollback,
  unlock,
  knex,
  importCommand,
  exportCommand,
  completion,
] as const
