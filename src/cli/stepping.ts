/** What `up` and `down` share: the options of their work, as they are called in code. */
import { CREATE_DB, FAIL_ON_DESTRUCTIVE, GENERATE, GLOBAL_OPTIONS, STEPPING_OPTIONS } from './options.js'

export const STEPPING = {
  target: { type: 'string', describe: 'a number of migrations, a name or a unique part of one, or a timestamp' },
  preview: STEPPING_OPTIONS.preview,
  autoApprove: STEPPING_OPTIONS['auto-approve'],
  y: GLOBAL_OPTIONS.y,
  createDb: CREATE_DB,
  failOnDestructive: FAIL_ON_DESTRUCTIVE,
  generate: GENERATE,
} as const
