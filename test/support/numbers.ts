/** The numbers from 1 to n as a table `numbers` with the column `seq`, for MySQL and MariaDB alike (n up to a million). */
export function numbers(n: number): string {
  const digits = Array.from({ length: 10 }, (_, d) => `SELECT ${d} AS d`).join(' UNION ALL ')
  const places = Array.from({ length: String(n - 1).length }, (_, k) => k)
  const sum = places.map((k) => `p${k}.d * ${10 ** k}`).join(' + ')
  const from = places.map((k) => `(${digits}) AS p${k}`).join(' CROSS JOIN ')
  return `(SELECT 1 + ${sum} AS seq FROM ${from} WHERE ${sum} < ${n}) AS numbers`
}
