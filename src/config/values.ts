/** How a value that comes as text is read: strictly, so that none is taken for another. Pure. */

/** What a timer and the servers take, in seconds: about 24 days. */
export const MOST_SECONDS = 2_147_483

/** `true`, `1`, `yes`, `on`; `false`, `0`, `no`, `off`; in any case of letters. Undefined for anything else. */
export function readSwitch(text: string): boolean | undefined {
  if (/^(?:true|1|yes|on)$/i.test(text)) return true
  if (/^(?:false|0|no|off)$/i.test(text)) return false
  return undefined
}

/** Plain digits, with a fraction or without. Undefined for anything else: `10s`, `1e3`, `0x10`, ` 5`, `-1`. */
export function readNumber(text: string): number | undefined {
  return /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : undefined
}

/** True for a time that can be waited. */
export function isSeconds(value: number): boolean {
  return value >= 0 && value <= MOST_SECONDS
}
