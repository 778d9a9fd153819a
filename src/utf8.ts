/** Text is UTF-8 or it is refused: what is decoded with replacement characters is another program than the one written. */
import { readFileSync } from 'node:fs'
import { RaysError } from './errors.js'

/** Bytes that are no text; the message names the file and the place. Exit 2. */
export class NotUtf8Error extends RaysError {
  override readonly name = 'NotUtf8Error'
  constructor(message: string, cause?: unknown) {
    super('E_ENCODING', 2, message, { cause, hint: 'Save the file as UTF-8; nothing was run.' })
  }
}

/**
 * The text of a file's bytes; a byte order mark stays in it.
 * @param file its path, for the message
 * @throws {NotUtf8Error} naming the first byte that cannot be decoded, counted from 0, and its line, counted from 1
 */
export function decodeUtf8(bytes: Uint8Array, file: string): string {
  if (isUtf16(bytes)) throw new NotUtf8Error(`${file} is not valid UTF-8: it is saved as UTF-16`)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    const at = invalidOffset(bytes)
    const line = bytes.subarray(0, at).reduce((lines, byte) => (byte === 0x0a ? lines + 1 : lines), 1)
    throw new NotUtf8Error(`${file} is not valid UTF-8: byte ${at} in line ${line} cannot be decoded`, error)
  }
}

/** @throws {NotUtf8Error}; what the file system throws */
export function readUtf8(file: string): string {
  return decodeUtf8(readFileSync(file), file)
}

/** By its byte order mark; or, without one, because every second byte of its beginning is NUL, which is valid UTF-8. */
function isUtf16(bytes: Uint8Array): boolean {
  const [first, second] = bytes
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return true
  const start = bytes.subarray(0, Math.min(bytes.length - (bytes.length % 2), 64))
  if (start.length < 8) return false
  const nuls = [0, 1].map((side) => start.filter((byte, index) => index % 2 === side && byte === 0).length * 2)
  return nuls.some((count, side) => count === start.length && nuls[1 - side] === 0)
}

function invalidOffset(bytes: Uint8Array): number {
  let low = 0
  let high = bytes.length
  const valid = (length: number) => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length), { stream: true })
      return true
    } catch {
      return false
    }
  }
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (valid(middle)) low = middle
    else high = middle - 1
  }
  // Cut off inside a character: the fault is where that character begins.
  if (low === bytes.length) while (low > 0 && ((bytes[--low] ?? 0) & 0xc0) === 0x80);
  return low
}
