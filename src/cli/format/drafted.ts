/** What `draft` did, and `dev` after each change. */
import type { DraftResult } from '../../commands/development.js'
import type { Paint } from '../terminal.js'
import { lines, next } from './text.js'

export function drafted({ applied, undone, pending }: DraftResult, view: { readonly paint: Paint }): string {
  return lines(
    ...applied.map(({ name, summary }) =>
      lines(summary.trim().replace(/^/gm, '  '), `Applied without a migration: ${name}.`),
    ),
    undone.length > 0 && `Undone: ${undone.join(', ')}. The schema was left as it is.`,
    applied.length + undone.length === 0 && 'Nothing to do: the database has every change of the schema.',
    pending.length > 0 && next(view, 'rays makemigration --name <name> makes one migration of everything.'),
  )
}
