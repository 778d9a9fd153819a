/** Where things stand: what `status` and `rays` alone both say. */
import type { StatusResult } from '../../commands/status.js'

export function countsLine(counts: StatusResult['counts']): string {
  const rare = (['running', 'failed', 'missing', 'edited'] as const).filter((kind) => counts[kind] > 0)
  return [
    `${counts.applied} applied`,
    `${counts.pending} pending`,
    ...rare.map((kind) => `${counts[kind]} ${kind === 'running' ? 'being applied' : kind}`),
  ].join(', ')
}
