/** The commands that repair and reshape histories: words, options, examples. */
import type { CommandSpec } from './commands.js'
import { CLEAR_SHADOW, GENERATE, MAKING_OPTIONS } from './options.js'

export const HISTORIES_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'doctor',
    usage: 'doctor',
    purpose: 'compare history, folders, database and schema object by object; a repair for each finding',
    options: {
      adopt: { type: 'string', describe: 'write a migration for what was changed by hand' },
      revert: { type: 'boolean', describe: 'undo what was changed by hand' },
      ignore: {
        type: 'string',
        array: true,
        describe: 'leave an object alone from now on (rays-ignore.txt beside the migrations)',
      },
      check: { type: 'boolean', describe: 'exit 1 if there are findings' },
      'clear-shadow': CLEAR_SHADOW,
    },
    examples: [
      ['rays doctor', 'changes nothing'],
      ['rays doctor --adopt add_index', 'what was changed by hand becomes a migration'],
      ['rays doctor --revert', 'what was changed by hand is undone'],
    ],
  },
  {
    name: 'squash',
    usage: 'squash <range..>',
    purpose: 'make one migration of many, proven to lead to the same structure',
    options: {
      name: { type: 'string', describe: 'the name of the new migration' },
      'dry-run': { type: 'boolean', describe: 'show the migration; write nothing' },
      'clear-shadow': CLEAR_SHADOW,
    },
    examples: [
      ['rays squash add_lastname', 'everything up to and with that migration'],
      ['rays squash add_users add_lastname', 'from one to the other'],
    ],
  },
  {
    name: 'rebase',
    usage: 'rebase',
    purpose: "put your own migrations after the others' that were made on another branch, made anew",
    options: {
      own: {
        type: 'string',
        array: true,
        describe: 'which are yours; default: those that are applied',
      },
      'clear-shadow': CLEAR_SHADOW,
      generate: GENERATE,
    },
    examples: [['rays rebase', 'after git merge or git pull']],
  },
  {
    name: 'upgrade',
    usage: 'upgrade',
    purpose: 'bring a project of prisma-rays 1.x to 4.x to the present format; checksums and history stay',
    options: { 'dry-run': { type: 'boolean', describe: 'show what would change; write nothing' } },
    examples: [['rays upgrade', '']],
  },
  {
    name: 'eject',
    usage: 'eject',
    purpose: "go back to Prisma Migrate: what is rays' own is moved out, the history stays",
    options: {
      verify: {
        type: 'boolean',
        default: true,
        describe: 'prove that migration.sql alone leads to the same structure',
      },
      'dry-run': { type: 'boolean', describe: 'show what would be moved; move nothing' },
      'clear-shadow': CLEAR_SHADOW,
    },
    examples: [['rays eject --y', '']],
  },
  {
    name: 'dev',
    usage: 'dev',
    purpose: 'watch the schema and apply each change at once; save makes one migration of them',
    options: { 'clear-shadow': CLEAR_SHADOW, generate: GENERATE },
    examples: [['rays dev', 'Ctrl-C ends it']],
  },
  {
    name: 'draft',
    usage: 'draft',
    purpose: "apply the schema's changes without a migration; the next makemigration holds all of them",
    options: {
      'clear-shadow': CLEAR_SHADOW,
      ...MAKING_OPTIONS,
      undo: { type: 'boolean', describe: 'take back what was applied without a migration' },
      generate: GENERATE,
    },
    examples: [
      ['rays draft', 'try the changes'],
      ['rays draft --undo', 'take them back'],
    ],
  },
]
